/* Questions to the recording's database about one vCPU. */
#ifndef HWACCL_POSTMORTEM_EVIDENCE_QUERY_H
#define HWACCL_POSTMORTEM_EVIDENCE_QUERY_H

#include "replay/postmortem/evidence.h"

#include <sqlite3.h>

/** evidence_query - a prepared statement with ?1 and ?2 bound to the ids of the vCPU's first and last exits; NULL where
 * it cannot be: then there are no rows */
sqlite3_stmt *evidence_query(const struct hwaccl_evidence *evidence, const char *sql);

/** evidence_row - step to the next row; false where there is none, or none can be read. NULL is allowed */
bool evidence_row(sqlite3_stmt *statement);

#endif
