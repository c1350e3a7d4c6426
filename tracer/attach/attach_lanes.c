#include "tracer/attach/attach_lanes.h"

#include "hwaccl/exit_reason.h"

#include <stdlib.h>
#include <string.h>

struct attach_vcpu {
        uint32_t id;                        /* KVM's */
        const struct attach_thread *thread; /* that runs it; NULL: none yet */
        bool open;                          /* the handling of its last exit has not ended */
        uint64_t reason;                    /* of that */
        struct lane lane;
        struct lane_masks masks;
};

static struct attach_vcpu *add(struct attach_lanes *lanes, uint32_t id)
{
        if (lanes->count == ATTACH_VCPU_MAX)
                return NULL;
        struct attach_vcpu *vcpu = aligned_alloc(64, (sizeof(*vcpu) + 63) & ~(size_t)63);
        if (!vcpu)
                return NULL;
        memset(vcpu, 0, sizeof(*vcpu));
        vcpu->id = id;
        if (!lanes->begin(lanes->opaque, lanes->count, &vcpu->lane)) {
                free(vcpu);
                return NULL;
        }
        vcpu->lane.masks = &vcpu->masks;
        return lanes->vcpu[lanes->count++] = vcpu;
}

bool attach_lanes_add(struct attach_lanes *lanes, uint32_t id)
{
        return add(lanes, id) != NULL;
}

/* With several VMs a vCPU stays with the first thread that runs it. */
static struct attach_vcpu *find(struct attach_lanes *lanes, const struct attach_thread *thread, uint32_t id)
{
        struct attach_vcpu *found = NULL;

        for (unsigned i = 0; i < lanes->count; i++) {
                struct attach_vcpu *vcpu = lanes->vcpu[i];
                if (vcpu->id != id)
                        continue;
                if (!lanes->several || vcpu->thread == thread)
                        return vcpu;
                if (!vcpu->thread && !found)
                        found = vcpu;
        }
        return found ? found : add(lanes, id);
}

/* The vCPU that the item is of, by the kernel's word; false: it does not say. */
static bool names_vcpu(const struct exit_item *item, uint32_t *id)
{
        if (item->exit && item->exit->known >> EXIT_EVENT_VCPU & 1)
                *id = (uint32_t)item->exit->value[EXIT_EVENT_VCPU];
        else if (item->entry)
                *id = (uint32_t)item->entry->value[ENTRY_EVENT_VCPU];
        else
                return false;
        return true;
}

static struct attach_vcpu *vcpu_of(struct attach_lanes *lanes, struct attach_thread *thread,
                                   const struct exit_item *item)
{
        uint32_t id;

        if (!names_vcpu(item, &id))
                return thread->vcpu;
        if (thread->vcpu && thread->vcpu->id == id)
                return thread->vcpu;
        return thread->vcpu = find(lanes, thread, id);
}

static bool write_thread(struct attach_lanes *lanes, struct attach_vcpu *vcpu, const struct attach_thread *thread)
{
        if (vcpu->thread == thread)
                return true;
        vcpu->thread = thread;
        return lane_thread(&vcpu->lane, (uint64_t)lanes->process, (uint64_t)thread->number, thread->name);
}

/* The next entry ends the handling of the exit before. */
static bool close_exit(struct attach_vcpu *vcpu, const struct exit_item *item)
{
        const struct kvm_event *end = item->entry ? item->entry : item->exit;

        if (!vcpu->open || !end)
                return true;
        vcpu->open = false;
        return exit_item_close(&vcpu->lane, vcpu->reason, end->stamp);
}

static bool write_exit(struct attach_lanes *lanes, struct attach_vcpu *vcpu, const struct exit_item *item, bool ended)
{
        vcpu->lane.exit_sequence = ++lanes->sequence;
        lanes->counts.exits++;
        lanes->counts.user += exit_item_reached_user(item);
        if (ended && !exit_item_reached_user(item)) /* KVM_RUN may have come back for another reason */
                return exit_item_write(item, &vcpu->lane);
        vcpu->open = true;
        vcpu->reason = exit_item_reason(item);
        return exit_item_open(item, &vcpu->lane);
}

static void count_lost(struct attach_lanes *lanes, const struct exit_item *item)
{
        for (size_t i = 0; i < item->count; i++)
                if (item->event[i].kind == KERNEL_EVENT_LOST)
                        lanes->counts.lost += item->event[i].value[0];
}

static bool write_item(struct attach_lanes *lanes, struct attach_thread *thread, const struct exit_item *item,
                       bool ended)
{
        struct attach_vcpu *vcpu = vcpu_of(lanes, thread, item);

        count_lost(lanes, item);
        if (!vcpu) { /* a thread that runs none, or one too many */
                lanes->counts.astray += item->exit != NULL;
                return true;
        }
        return write_thread(lanes, vcpu, thread) && close_exit(vcpu, item) &&
               (item->exit ? write_exit(lanes, vcpu, item, ended) : exit_item_write(item, &vcpu->lane));
}

static uint64_t time_of(const struct exit_item *item)
{
        return item->exit ? item->exit->stamp : item->event->stamp;
}

/* The first item of a thread. */
struct candidate {
        struct attach_thread *thread; /* NULL: there is none */
        struct exit_item item;
        bool ended; /* the item has, not only the time to wait for its end */
        bool due;   /* to be written */
};

/* A HLT lasts, and is not kept back: what follows it are events of that exit. Of any other exit without an end the host
 * took the processor away: who gets it is not known yet, and the other threads no longer wait for it. */
static void look(struct attach_thread *thread, const struct attach_until *until, struct candidate *found)
{
        struct exit_item *item = &found->item;

        found->thread = NULL;
        found->ended = exit_stream_next(&thread->stream, false, item);
        if (!found->ended && !exit_stream_next(&thread->stream, true, item))
                return;
        const bool late = item->event[item->count - 1].stamp <= until->open;
        if (!found->ended && !until->all && (!item->exit || (late && exit_item_reason(item) != HWACCL_EXIT_HLT)))
                return;
        found->due = until->all || (found->ended ? time_of(item) <= until->complete : late);
        found->thread = thread;
}

bool attach_lanes_reached(const struct attach_lanes *lanes)
{
        return lanes->exits_max && lanes->counts.exits >= lanes->exits_max;
}

bool attach_lanes_write(struct attach_lanes *lanes, struct attach_thread *const *threads, size_t count,
                        const struct attach_until *until)
{
        for (;;) {
                struct candidate first = {.thread = NULL}, next = {.thread = NULL};
                for (size_t i = 0; i < count; i++) {
                        look(threads[i], until, &next);
                        if (next.thread && (!first.thread || time_of(&next.item) < time_of(&first.item)))
                                first = next;
                }
                if (!first.thread || !first.due || attach_lanes_reached(lanes))
                        return true;
                if (!write_item(lanes, first.thread, &first.item, first.ended))
                        return false;
                exit_stream_drop(&first.thread->stream, &first.item);
        }
}

uint32_t attach_lanes_vcpu_id(const struct attach_lanes *lanes, unsigned vcpu)
{
        return lanes->vcpu[vcpu]->id;
}

void attach_lanes_forget(struct attach_lanes *lanes, const struct attach_thread *thread)
{
        for (unsigned i = 0; i < lanes->count; i++)
                if (lanes->vcpu[i]->thread == thread)
                        lanes->vcpu[i]->thread = NULL;
}

void attach_lanes_free(struct attach_lanes *lanes)
{
        for (unsigned i = 0; i < lanes->count; i++)
                free(lanes->vcpu[i]);
        lanes->count = 0;
}
