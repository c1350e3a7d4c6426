/*
 * Failures and deaths in a program that is linked with faults.c: which call of the system's and of SQLite's libraries
 * fails, and at which step the process dies.
 */
#ifndef HWACCL_TESTS_FAULTS_H
#define HWACCL_TESTS_FAULTS_H

#include <stdbool.h>

enum fault_call {
        CALL_open,
        CALL_read, /* pread too */
        CALL_write,
        CALL_pwrite,
        CALL_fsync,
        CALL_ftruncate,
        CALL_fallocate,
        CALL_mmap,
        CALL_unlink,
        CALL_openat,
        CALL_unlinkat,
        CALL_renameat2,
        CALL_mkdir,
        CALL_pthread_create,
        CALL_sqlite3_open,
        CALL_sqlite3_prepare,
        CALL_sqlite3_step,
        CALL_sqlite3_exec,
        CALL_sqlite3_bind,
        CALL_COUNT
};

extern const char *const fault_call_name[CALL_COUNT];

struct fault_plan {
        enum fault_call call;
        unsigned long fail_at; /* the call of that number fails, from 1 on; 0: none */
        bool persistent;       /* and all later ones */
        unsigned long kill_at; /* the process dies at this step or call, all kinds counted together; 0: it does not */
};

/** faults_begin - count from 0, and do as planned */
void faults_begin(const struct fault_plan *plan);

unsigned long faults_counted(enum fault_call call);

/** faults_steps - steps and calls since then, of all kinds together */
unsigned long faults_steps(void);

#endif
