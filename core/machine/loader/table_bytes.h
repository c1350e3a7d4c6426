/* Fields and checksums of the tables that firmware and loaders leave for an operating system: little endian, anywhere.
 */
#ifndef HWACCL_MACHINE_LOADER_TABLE_BYTES_H
#define HWACCL_MACHINE_LOADER_TABLE_BYTES_H

#include <stddef.h>
#include <stdint.h>

/** table_put - store the low @size bytes of @value */
static inline void table_put(uint8_t *to, uint64_t value, unsigned size)
{
        for (unsigned i = 0; i < size; i++)
                to[i] = (uint8_t)(value >> i * 8);
}

/** table_checksum - what makes the sum of all bytes 0, in a place that is 0 by now */
static inline uint8_t table_checksum(const uint8_t *bytes, size_t size)
{
        unsigned sum = 0;

        for (size_t i = 0; i < size; i++)
                sum += bytes[i];
        return (uint8_t)(0u - sum);
}

#endif
