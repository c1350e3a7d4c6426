/* Ed25519 signatures of a recording's seal, with keys as OpenSSL writes them. */
#include "hwaccl/seal.h"

#include "tracer/database/database.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PEM_MAX 4096u /* bytes */

/* RFC 8410: what DER has before the 32 bytes of a key without attributes. */
static const uint8_t private_prefix[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                         0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
static const uint8_t public_prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

struct key_kind {
        const char *label;
        const uint8_t *prefix;
        size_t size;
        const char *command;
};

static const struct key_kind private_key = {"PRIVATE KEY", private_prefix, sizeof(private_prefix),
                                            "openssl genpkey -algorithm ed25519"};
static const struct key_kind public_key = {"PUBLIC KEY", public_prefix, sizeof(public_prefix), "openssl pkey -pubout"};

static bool read_text(const char *path, char text[PEM_MAX], struct hwaccl_error *error)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        ssize_t size = fd < 0 ? -1 : read(fd, text, PEM_MAX - 1);

        if (size < 0)
                hwaccl_error_set(error, "%s: cannot read the key: %s", path, strerror(errno));
        else
                text[size] = '\0';
        if (fd >= 0)
                (void)close(fd);
        return size >= 0;
}

static bool decode(const char *text, const struct key_kind *kind, uint8_t key[HWACCL_DIGEST_SIZE])
{
        uint8_t der[64];
        char border[64];
        size_t size = 0;

        (void)snprintf(border, sizeof(border), "-----BEGIN %s-----", kind->label);
        const char *from = strstr(text, border);
        const char *to = from ? strstr(from + strlen(border), "-----END ") : NULL;
        if (!to)
                return false;
        from += strlen(border);
        bool good = sodium_base642bin(der, sizeof(der), from, (size_t)(to - from), "\r\n ", &size, NULL,
                                      sodium_base64_VARIANT_ORIGINAL) == 0 &&
                    size == kind->size + HWACCL_DIGEST_SIZE && memcmp(der, kind->prefix, kind->size) == 0;
        if (good)
                memcpy(key, der + kind->size, HWACCL_DIGEST_SIZE);
        sodium_memzero(der, sizeof(der));
        return good;
}

static bool read_key(const char *path, const struct key_kind *kind, uint8_t key[HWACCL_DIGEST_SIZE],
                     struct hwaccl_error *error)
{
        char text[PEM_MAX];

        if (sodium_init() < 0)
                return hwaccl_error_set(error, "libsodium cannot be initialized");
        if (!read_text(path, text, error))
                return false;
        bool good = decode(text, kind, key);
        sodium_memzero(text, sizeof(text));
        return good || hwaccl_error_set(error, "%s: no Ed25519 %s in PEM: expected one as '%s' writes it", path,
                                        kind == &private_key ? "private key" : "public key", kind->command);
}

/* What is signed: a name, so that a signature is of nothing else, and the seal. */
struct message {
        uint8_t name[16];
        uint8_t seal[HWACCL_DIGEST_SIZE];
};

static struct message message_of(const uint8_t *seal)
{
        struct message message = {.name = "hwaccl seal 1"};

        memcpy(message.seal, seal, sizeof(message.seal));
        return message;
}

static bool put(sqlite3 *db, const struct hwaccl_seal *seal, struct hwaccl_error *error)
{
        sqlite3_stmt *update;

        if (!database_prepare(db, "UPDATE seal SET host_key = ?1, host_signature = ?2 WHERE host_seal = ?3", &update,
                              error))
                return false;
        int result = sqlite3_bind_blob(update, 1, seal->public_key, sizeof(seal->public_key), SQLITE_STATIC) |
                     sqlite3_bind_blob(update, 2, seal->signature, sizeof(seal->signature), SQLITE_STATIC) |
                     sqlite3_bind_blob(update, 3, seal->seal, sizeof(seal->seal), SQLITE_STATIC);
        bool good = result == SQLITE_OK ? database_step_done(db, update, error)
                                        : database_error(db, error, "cannot bind a value");
        (void)sqlite3_finalize(update);
        return good;
}

static bool make_signature(struct hwaccl_seal *seal, const char *key, struct hwaccl_error *error)
{
        uint8_t secret[crypto_sign_SECRETKEYBYTES], seed[HWACCL_DIGEST_SIZE];
        const struct message message = message_of(seal->seal);

        if (!read_key(key, &private_key, seed, error))
                return false;
        bool good =
                crypto_sign_seed_keypair(seal->public_key, secret, seed) == 0 &&
                crypto_sign_detached(seal->signature, NULL, (const uint8_t *)&message, sizeof(message), secret) == 0;
        sodium_memzero(secret, sizeof(secret));
        sodium_memzero(seed, sizeof(seed));
        return good || hwaccl_error_set(error, "%s: cannot sign with this key", key);
}

bool hwaccl_seal_key_check(const char *key, struct hwaccl_error *error)
{
        uint8_t seed[HWACCL_DIGEST_SIZE];
        bool good = read_key(key, &private_key, seed, error);

        sodium_memzero(seed, sizeof(seed));
        return good;
}

bool hwaccl_recording_sign(const char *path, const char *key, struct hwaccl_error *error)
{
        struct hwaccl_recording *recording = hwaccl_recording_open(path, error);
        struct hwaccl_seal seal;

        if (!recording)
                return false;
        bool good = hwaccl_recording_seal(recording, &seal, error);
        hwaccl_recording_close(recording);
        if (!good)
                return false;
        if (!seal.agrees)
                return hwaccl_error_set(error, "%s: %s; it is not signed", path,
                                        seal.found ? "was changed since it was sealed" : "has no seal");
        if (!make_signature(&seal, key, error))
                return false;
        sqlite3 *db = database_open(path, SQLITE_OPEN_READWRITE);
        if (!db)
                return hwaccl_error_set(error, "%s: cannot open for writing", path);
        good = put(db, &seal, error);
        if (sqlite3_close(db) != SQLITE_OK && good)
                good = hwaccl_error_set(error, "%s: cannot close", path);
        return good;
}

bool hwaccl_seal_key_read(const char *path, uint8_t key[HWACCL_DIGEST_SIZE], struct hwaccl_error *error)
{
        return read_key(path, &public_key, key, error);
}

bool hwaccl_seal_verify(const struct hwaccl_seal *seal, const uint8_t key[HWACCL_DIGEST_SIZE],
                        struct hwaccl_error *error)
{
        const struct message message = message_of(seal->seal);

        if (!seal->is_signed)
                return hwaccl_error_set(error, "seal: not signed%s",
                                        seal->derived ? ": it was made from another recording" : "");
        if (crypto_sign_verify_detached(seal->signature, (const uint8_t *)&message, sizeof(message), key) != 0)
                return hwaccl_error_set(error, "seal: signed with another key, or for another recording");
        return true;
}
