/* What the last exits of a vCPU have that those before lack, or have far less often. */
#ifndef HWACCL_POSTMORTEM_UNUSUAL_H
#define HWACCL_POSTMORTEM_UNUSUAL_H

#include "replay/postmortem/evidence.h"

#define UNUSUAL_MAX 12

enum unusual_kind { UNUSUAL_REASON, UNUSUAL_PORT, UNUSUAL_VECTOR, UNUSUAL_PAGE, UNUSUAL_RIP, UNUSUAL_KIND_COUNT };

struct hwaccl_unusual {
        enum unusual_kind kind;
        uint64_t from, to;    /* basic reason, port, offered vector, guest-physical address of a page, RIPs */
        uint64_t exits;       /* among the last exits that have it */
        uint64_t first, last; /* of those */
        uint64_t before;      /* exits that have it, of ... */
        uint64_t before_of;   /* exits before; of pages and RIPs possibly not all */
        double weight;        /* the term of a chi-squared test */
};

struct hwaccl_unusual_exits {
        uint64_t first;      /* the last exits: from this one on */
        uint64_t exits;      /* how many they are */
        uint64_t before_end; /* they are compared with the exits before this one: where a loop ends the recording, its
                                start */
        size_t count;
        struct hwaccl_unusual item[UNUSUAL_MAX]; /* the most unusual first: never before, then far less often before */
};

/** hwaccl_find_unusual - compare; no items where nothing is unusual, or there are too few exits to tell */
void hwaccl_find_unusual(const struct hwaccl_evidence *evidence, struct hwaccl_unusual_exits *unusual);

/** hwaccl_unusual_name - "reason", "port", "vector", "page", "rip" */
const char *hwaccl_unusual_name(enum unusual_kind kind);

/** hwaccl_unusual_text - "port 61h: 12 times, up to exit 5123; never in the 4100 exits before" */
void hwaccl_unusual_text(const struct hwaccl_unusual *unusual, char *text, size_t room);

#endif
