/* The decoder's state as table checkpoint holds it: its layout has a version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/database/decoder.h"

#include <inttypes.h>
#include <stdio.h>

/* Every member, in order. */
#define M(member)                                                                                                      \
        {                                                                                                              \
                offsetof(struct decoder_state, member), sizeof(((const struct decoder_state *)NULL)->member), #member  \
        }
static const struct {
        size_t offset;
        size_t size;
        const char *name;
} members[] = {
        M(version),
        M(phase),
        M(first),
        M(exits),
        M(clock),
        M(base_clock),
        M(base_host_entry),
        M(last_stamp),
        M(now),
        M(entry),
        M(base),
        M(now_known),
        M(entry_known),
        M(base_known),
        M(never_based),
        M(group_known),
        M(row.state),
        M(row.state_known),
        M(row.id),
        M(row.known),
        M(row.column),
        M(walk.count),
        M(walk.read),
        M(handoff.id),
        M(handoff.vector),
        M(handoff.settled),
        M(handoff.taken),
        M(handoff.host_offered),
        M(handoff.host_settled),
        M(thread_time.exit),
        M(thread_time.moment),
        M(thread_time.host_time),
        M(thread_time.host_cpu),
        M(vector),
        M(block.first),
        M(block.last),
        M(block.exits),
        M(block.rips),
        M(block.rip_min),
        M(block.rip_max),
        M(block.counts),
        M(block.count),
        M(run),
        M(run_written),
        M(run_there),
        M(run_known),
        M(call),
        M(call_data.sequence),
        M(call_data.side),
        M(call_data.offset),
        M(call_data.rest),
        M(inputs),
        M(effects),
        M(marks),
        M(row_open),
        M(handoff_open),
        M(thread_time_open),
        M(system_written),
        M(segment_written),
        M(snapshots),
        M(time.kind),
        M(time.origin_ns),
        M(time.origin_stamp),
        M(time.sample_ns),
        M(time.sample_stamp),
        M(time.latest_ns),
        M(time.latest_stamp),
};

/* What the numbers of row.column mean belongs to the layout. */
static const char *const columns[] = {
#define X(identifier, column) #column,
        EXIT_COLUMNS(X)
#undef X
};

/* FNV-1a */
static uint64_t mix(uint64_t hash, const char *text)
{
        do
                hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
        while (*text++);
        return hash;
}

static uint64_t layout(void)
{
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                char line[96];
                (void)snprintf(line, sizeof(line), "%s %zu %zu", members[i].name, members[i].offset, members[i].size);
                hash = mix(hash, line);
        }
        for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
                hash = mix(hash, columns[i]);
        return hash;
}

static void the_state_is_words_without_padding(void **state)
{
        size_t end = 0;

        (void)state;
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                if (members[i].offset != end || members[i].size % 8 != 0)
                        fail_msg("%s is at %zu, not at %zu", members[i].name, members[i].offset, end);
                end += members[i].size;
        }
        assert_int_equal(end, DECODER_STATE_SIZE);
        assert_int_equal(sizeof(struct decoder_state), (DECODER_STATE_SIZE + 63) / 64 * 64);
}

/* One line for each version there was: a layout that changes needs a new one, and a new DECODER_STATE_VERSION. */
static void a_layout_that_changes_has_another_version(void **state)
{
        static const uint64_t layouts[] = {
                UINT64_C(0x4589073632fbde72),
                UINT64_C(0x1683dbe27abdb510),
                UINT64_C(0xb62f59bd9dfcf43a),
                UINT64_C(0x8a8380060186daca),
        };
        const size_t version = sizeof(layouts) / sizeof(layouts[0]);

        (void)state;
        assert_int_equal(DECODER_STATE_VERSION, version);
        if (layout() != layouts[version - 1])
                fail_msg("the layout of version %zu is another: 0x%016" PRIx64, version, layout());
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_state_is_words_without_padding),
                cmocka_unit_test(a_layout_that_changes_has_another_version),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
