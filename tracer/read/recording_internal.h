/* Shared by the reader's files. */
#ifndef HWACCL_TRACER_RECORDING_INTERNAL_H
#define HWACCL_TRACER_RECORDING_INTERNAL_H

#include "hwaccl/recording.h"

#include "tracer/database/database.h"
#include "tracer/database/field_sets.h"
#include "tracer/database/rows.h"
#include "tracer/database/schema_guard.h"
#include "tracer/read/recording_limits.h"

struct recorded_vcpu {
        uint32_t number;
        uint64_t first; /* exit number: 0, or where a flight recorder's window begins */
        uint64_t end;   /* one more than the last exit's number; first when there is none */
};

struct gap { /* exit.id */
        int64_t first;
        int64_t last;
        int64_t events;
};

struct option {
        char *name;
        char *value;
};

struct device_field {
        char *device;
        char *field;
        uint32_t size;
        uint32_t offset; /* in a buffer of all fields */
};

struct hwaccl_recording {
        char *path;
        sqlite3 *db;
        bool is_private;       /* db is a private view */
        unsigned file_version; /* of the file's schema; that of db is this build's */
        char **foreign;        /* lines about what the file's schema has besides hwaccl's own */
        size_t foreign_count;
        struct query_budget budget;
        struct hwaccl_recording_info info;
        char *end_message;
        struct recorded_vcpu vcpu[RECORDING_VCPU_MAX];
        struct gap *gap; /* ascending, not adjacent */
        size_t gap_count;
        struct option *option; /* those that were asked for */
        size_t option_count;
        struct device_field *device_field; /* id - 1 is the index */
        size_t device_field_count;
        size_t device_bytes;
        struct field_set set[FIELD_SET_COUNT];
        struct device_values *asked; /* last result of hwaccl_recording_device_fields() */
        struct kept_memory *memory;  /* NULL until it is first asked for */
        struct state_lookup *lookup; /* of hwaccl_recording_state(); NULL until it is first called */
};

/** recording_open_file - recording->db: a view of the file at recording->path. @quick: without a look at every page */
bool recording_open_file(struct hwaccl_recording *recording, bool quick, struct hwaccl_error *error);

/** recording_error - "path: …". Returns false. */
bool recording_error(const struct hwaccl_recording *recording, struct hwaccl_error *error, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/** recording_vcpu - a vCPU by its number, or NULL with *error set */
const struct recorded_vcpu *recording_vcpu(const struct hwaccl_recording *recording, uint32_t number,
                                           struct hwaccl_error *error);

/** recording_has_exit - false with *error set if @vcpu does not have exit @number */
bool recording_has_exit(const struct hwaccl_recording *recording, const struct recorded_vcpu *vcpu, uint64_t number,
                        struct hwaccl_error *error);

/** state_lookup_destroy - NULL is fine */
void state_lookup_destroy(struct state_lookup *lookup);

/** kept_memory_destroy - NULL is fine */
void kept_memory_destroy(struct kept_memory *memory);

/** recording_load_gaps - load table gap, after the vCPUs; exits in gaps do not count as exits */
bool recording_load_gaps(struct hwaccl_recording *recording, struct hwaccl_error *error);

/* Values of all device fields at one snapshot. */
struct device_values {
        struct hwaccl_recording *recording;
        sqlite3_stmt *lookup;
        uint8_t *data;
        bool *known;
        struct hwaccl_recorded_device_field *field; /* the known ones */
        size_t field_count;
};

struct device_values *device_values_create(struct hwaccl_recording *recording, struct hwaccl_error *error);
void device_values_destroy(struct device_values *values);

/** device_values_load - as saved after @exit: each field's last change up to it */
bool device_values_load(struct device_values *values, int64_t exit, struct hwaccl_error *error);

/** device_values_put - one row of device_state: columns @column (field) and @column + 1 (value) of @row */
bool device_values_put(struct device_values *values, sqlite3_stmt *row, int column, struct hwaccl_error *error);

/** device_values_gather - fill in .field from the known values */
void device_values_gather(struct device_values *values);

#endif
