/*
 * Not stable: may change between versions. The digests of a recording (db-schema/FORMAT.md), and who signed them.
 */
#ifndef HWACCL_SEAL_H
#define HWACCL_SEAL_H

#include "hwaccl/recording.h"

#define HWACCL_DIGEST_SIZE  32u /* bytes, as a public key */
#define HWACCL_SEAL_VERSION 9u  /* of the schema: recordings from that on are sealed */

struct hwaccl_seal {
        bool expected;       /* it was finished by a version that seals */
        bool found;          /* there is one; else the following are zeros */
        bool content_agrees; /* with what the tables and the digests of the blocks give now */
        bool agrees;         /* both do */
        uint8_t content[HWACCL_DIGEST_SIZE];
        uint8_t seal[HWACCL_DIGEST_SIZE];
        bool derived;
        uint8_t origin[HWACCL_DIGEST_SIZE]; /* seal of what it was made from */
        bool is_signed;
        uint8_t public_key[HWACCL_DIGEST_SIZE];
        uint8_t signature[2 * HWACCL_DIGEST_SIZE];
};

/** hwaccl_recording_seal - read it, and compare it with all but the rows of the blocks (hwaccl_recording_check() looks
 * at them). Returns false with *error set when it cannot be read */
bool hwaccl_recording_seal(struct hwaccl_recording *recording, struct hwaccl_seal *seal, struct hwaccl_error *error);

/** hwaccl_recording_content - the same of the content alone; seal->agrees stays false */
bool hwaccl_recording_content(struct hwaccl_recording *recording, struct hwaccl_seal *seal, struct hwaccl_error *error);

/** hwaccl_recording_block_agrees - whether the block of exits with exit @number is what was recorded: its content, and
 * with @all what the host added; true also where the recording has no digests. *@first and *@last are its first and
 * last exits */
bool hwaccl_recording_block_agrees(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number, bool all,
                                   bool *agrees, uint64_t *first, uint64_t *last, struct hwaccl_error *error);

/**
 * hwaccl_recording_sign - sign the seal of the finished recording at @path
 * @key: name of a file with a private Ed25519 key: PEM, as `openssl genpkey -algorithm ed25519` writes it
 */
bool hwaccl_recording_sign(const char *path, const char *key, struct hwaccl_error *error);

/** hwaccl_seal_key_check - whether @key names such a file, before hours of recording */
bool hwaccl_seal_key_check(const char *key, struct hwaccl_error *error);

/** hwaccl_seal_key_read - the public Ed25519 key in file @path: PEM, as `openssl pkey -pubout` writes it */
bool hwaccl_seal_key_read(const char *path, uint8_t key[HWACCL_DIGEST_SIZE], struct hwaccl_error *error);

/** hwaccl_seal_verify - false with *error set unless @seal was signed with the private key of the public key @key */
bool hwaccl_seal_verify(const struct hwaccl_seal *seal, const uint8_t key[HWACCL_DIGEST_SIZE],
                        struct hwaccl_error *error);

#endif
