/* Rules for intended changes: what they allow, and what is no rule. */
#include "replay/corpus/allow_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1798675200 /* 2026-12-31 00:00:00 UTC */

static char path[] = "/tmp/hwaccl-rules.XXXXXX";

static bool read_rules(struct allow_rules *rules, const char *text, struct hwaccl_error *error)
{
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        return allow_rules_read(rules, path, NOW, error);
}

static void read_good(struct allow_rules *rules, const char *text)
{
        struct hwaccl_error error = {""};

        if (!read_rules(rules, text, &error))
                fail_msg("%s: %s", text, error.message);
}

/* An OUT to a port, with two differences. */
static struct hwaccl_divergence out_to(uint16_t port, const char *first, const char *second)
{
        struct hwaccl_divergence divergence = {
                .exit_reason = 30,
                .qualification = (uint64_t)port << 16 | 8,
                .instruction = "out dx, al",
                .difference = {{.what = first}, {.what = second}},
                .difference_count = second ? 2 : 1,
        };
        return divergence;
}

/* Is a difference of an OUT to port 3f8h removed? */
static bool allows(const char *rule, const char *what)
{
        struct allow_rules rules;
        struct hwaccl_divergence divergence = out_to(0x3f8, what, NULL);

        read_good(&rules, rule);
        allow_rules_apply(&rules, &divergence);
        assert_int_equal(rules.rule[0].matches, !divergence.difference_count);
        allow_rules_release(&rules);
        return !divergence.difference_count;
}

static void a_rule_allows_the_fields_it_names(void **state)
{
        (void)state;
        assert_true(allows("may-differ rax until=never # why", "rax"));
        assert_true(allows("may-differ rbx rax until=never # why", "rax"));
        assert_true(allows("may-differ effect until=never # why", "effect 12"));
        assert_true(allows("may-differ \"effect 1\" until=never # why", "effect 1"));
        assert_true(allows("may-differ \"uart.*\" until=never # why", "uart.lcr"));
        assert_false(allows("may-differ \"effect 1\" until=never # why", "effect 12"));
        assert_false(allows("may-differ rax until=never # why", "rax before entry"));
        assert_false(allows("may-differ effect until=never # why", "effects"));
}

static void a_rule_holds_for_the_exits_it_describes(void **state)
{
        (void)state;
        assert_true(allows("may-differ rax reason=io-instruction port=0x3f8 until=never # why", "rax"));
        assert_true(allows("may-differ rax reason=30 port=0x3f0-0x3ff until=never # why", "rax"));
        assert_true(allows("may-differ rax instruction=\"out dx*\" until=never # why", "rax"));
        assert_false(allows("may-differ rax instruction=out until=never # why", "rax"));
        assert_false(allows("may-differ rax reason=cpuid until=never # why", "rax"));
        assert_false(allows("may-differ rax port=0x3f9-0x3ff until=never # why", "rax"));

        struct allow_rules rules;
        struct hwaccl_divergence divergence = out_to(0x3f8, "rax", NULL);
        divergence.exit_reason = 10; /* of no I/O instruction, the qualification is no port */
        read_good(&rules, "may-differ rax port=0x3f8 until=never # why");
        allow_rules_apply(&rules, &divergence);
        assert_int_equal(divergence.difference_count, 1);
        allow_rules_release(&rules);
}

static void what_no_rule_allows_is_left(void **state)
{
        struct allow_rules rules;
        struct hwaccl_divergence divergence = out_to(0x3f8, "rax", "rbx");
        (void)state;

        read_good(&rules, "may-differ rax until=never # why\n");
        allow_rules_apply(&rules, &divergence);
        assert_int_equal(divergence.difference_count, 1);
        assert_string_equal(divergence.difference[0].what, "rbx");
        /* a report that was full may have lost others */
        divergence.difference_count = HWACCL_DIFFERENCE_MAX;
        for (unsigned i = 0; i < HWACCL_DIFFERENCE_MAX; i++)
                divergence.difference[i].what = "rax";
        allow_rules_apply(&rules, &divergence);
        assert_int_equal(divergence.difference_count, HWACCL_DIFFERENCE_MAX);
        allow_rules_release(&rules);
}

static void a_rule_holds_until_the_end_of_its_day(void **state)
{
        (void)state;
        assert_true(allows("may-differ rax until=2026-12-31 # why", "rax"));
        assert_true(allows("may-differ rax until=2027-01-01 # why", "rax"));
        assert_false(allows("may-differ rax until=2026-12-30 # why", "rax"));
}

static void add_line(void *opaque, const char *text)
{
        char *all = opaque;
        size_t length = strlen(all);

        (void)snprintf(all + length, 1024 - length, "%s\n", text + strlen(path));
}

static void rules_without_effect_are_reported(void **state)
{
        struct allow_rules rules;
        struct hwaccl_divergence divergence = out_to(0x3f8, "rax", NULL);
        char all[1024] = "";
        (void)state;

        read_good(&rules, "# a comment\n\n"
                          "may-differ rax until=never # used\n"
                          "may-differ rax until=2026-01-01 # old\n"
                          "  may-differ rip until=never ## unused ##[error]\r\n");
        assert_int_equal(rules.count, 3);
        allow_rules_apply(&rules, &divergence);
        allow_rules_report(&rules, add_line, all);
        assert_string_equal(all, ":4: the rule is expired since 2026-01-01: old\n"
                                 ":5: the rule matches nothing: unused ##?error]\n");
        allow_rules_release(&rules);
}

static void what_is_no_rule_is_an_error_with_its_line(void **state)
{
        static const struct {
                const char *text, *says;
        } wrong[] = {
                {"allow rax until=never # why", "expected may-differ"},
                {"may-differ until=never # why", "no field"},
                {"may-differ rax # why", "no date"},
                {"may-differ rax until=never", "no comment"},
                {"may-differ rax until=never # ", "no comment"},
                {"may-differ rax until=2026-02-30 # why", "invalid date '2026-02-30'"},
                {"may-differ rax until=26-2-3 # why", "invalid date"},
                {"may-differ rax until= # why", "invalid date"},
                {"may-differ rax until=never reason=boredom # why", "'boredom'"},
                {"may-differ rax until=never port=0x10000 # why", "invalid port"},
                {"may-differ rax until=never port=9-8 # why", "invalid port"},
                {"may-differ rax until=never port=-1 # why", "invalid port"},
                {"may-differ rax until=never colour=red # why", "unknown condition 'colour'"},
                {"may-differ rax until=never port=1 port=2 # why", "port= twice"},
                {"may-differ rax until=never reason=30 reason=10 # why", "reason= twice"},
                {"may-differ rax until=never instruction=a instruction=b # why", "instruction= twice"},
                {"may-differ rax until=never until=2026-01-01 # why", "until= twice"},
                {"may-differ \"rax until=never # why", "quote"},
                {"\"may-differ rax", "expected may-differ"},
        };
        (void)state;

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                struct allow_rules rules;
                struct hwaccl_error error = {""};
                char text[256], where[64];
                (void)snprintf(text, sizeof(text), "# one\nmay-differ rax until=never # good\n%s\n", wrong[i].text);
                (void)snprintf(where, sizeof(where), "%s:3: ", path);
                if (read_rules(&rules, text, &error))
                        fail_msg("accepted: %s", wrong[i].text);
                if (strncmp(error.message, where, strlen(where)) != 0 || !strstr(error.message, wrong[i].says))
                        fail_msg("%s: %s", wrong[i].text, error.message);
                allow_rules_release(&rules);
        }

        struct allow_rules rules;
        struct hwaccl_error error = {""};
        assert_false(allow_rules_read(&rules, "/nonexistent/rules", NOW, &error));
        assert_non_null(strstr(error.message, "/nonexistent/rules: "));
        allow_rules_release(&rules);
}

static int make_file(void **state)
{
        int fd = mkstemp(path);

        (void)state;
        return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
        (void)state;
        return unlink(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_rule_allows_the_fields_it_names),
                cmocka_unit_test(a_rule_holds_for_the_exits_it_describes),
                cmocka_unit_test(what_no_rule_allows_is_left),
                cmocka_unit_test(a_rule_holds_until_the_end_of_its_day),
                cmocka_unit_test(rules_without_effect_are_reported),
                cmocka_unit_test(what_is_no_rule_is_an_error_with_its_line),
        };
        return cmocka_run_group_tests(tests, make_file, remove_file);
}
