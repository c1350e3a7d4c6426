/*
 * Files of a VMM: its executable and libraries, by build-id, and those that it opened, by digest. A digest is BLAKE2b
 * of 256 bits over the whole file up to WHOLE_MAX; of a larger one, mostly a disk, over its first and its last EDGE
 * bytes, and the time of its modification has to do for the rest.
 */
#include "replay/cli/record/record_host.h"

#include "replay/cli/json.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX  1024u
#define WHOLE_MAX (UINT64_C(64) << 20)
#define EDGE      (UINT64_C(1) << 20)
#define DIGEST    crypto_generichash_BYTES
#define HEX_ROOM  (2 * 64 + 1)

struct identity {
        dev_t device;
        ino_t inode;
};

struct record_files {
        bool anonymous;
        unsigned opened; /* that were looked at */
        bool mapped[VMM_RECORDER_VCPU_MAX];
        size_t count;
        struct identity identity[FILE_MAX];
        json_t *file[FILE_MAX]; /* an object each */
        uint8_t *buffer;        /* of EDGE bytes */
};

struct record_files *record_files_create(bool anonymous)
{
        struct record_files *files = calloc(1, sizeof(*files));

        if (!files)
                return NULL;
        files->anonymous = anonymous;
        files->buffer = malloc(EDGE);
        if (files->buffer && sodium_init() >= 0)
                return files;
        record_files_free(files);
        return NULL;
}

void record_files_free(struct record_files *files)
{
        for (size_t i = 0; files && i < files->count; i++)
                json_decref(files->file[i]);
        if (files)
                free(files->buffer);
        free(files);
}

static void to_hex(const uint8_t *bytes, size_t size, char hex[static HEX_ROOM])
{
        (void)sodium_bin2hex(hex, HEX_ROOM, bytes, size < 64 ? size : 64);
}

static bool digest_part(struct record_files *files, int fd, uint64_t from, uint64_t to, crypto_generichash_state *state)
{
        while (from < to) {
                size_t wanted = to - from < EDGE ? (size_t)(to - from) : EDGE;
                ssize_t length = pread(fd, files->buffer, wanted, (off_t)from);
                if (length < 0 && errno == EINTR)
                        continue;
                if (length <= 0)
                        return length == 0; /* shorter than it was */
                (void)crypto_generichash_update(state, files->buffer, (unsigned long long)length);
                from += (uint64_t)length;
        }
        return true;
}

static bool digest_file(struct record_files *files, int fd, uint64_t size, char hex[static HEX_ROOM])
{
        crypto_generichash_state state;
        uint8_t digest[DIGEST];
        bool whole = size <= WHOLE_MAX;

        (void)crypto_generichash_init(&state, NULL, 0, DIGEST);
        if (!digest_part(files, fd, 0, whole ? size : EDGE, &state) ||
            (!whole && !digest_part(files, fd, size - EDGE, size, &state)))
                return false;
        (void)crypto_generichash_final(&state, digest, DIGEST);
        to_hex(digest, DIGEST, hex);
        return true;
}

/* The note in a segment's bytes. */
static bool find_build_id(const uint8_t *notes, size_t size, char hex[static HEX_ROOM])
{
        size_t at = 0;

        while (size - at >= sizeof(Elf64_Nhdr)) {
                Elf64_Nhdr note;
                memcpy(&note, notes + at, sizeof(note));
                const size_t name = at + sizeof(note), data = name + (((size_t)note.n_namesz + 3) & ~(size_t)3);
                const size_t next = data + (((size_t)note.n_descsz + 3) & ~(size_t)3);
                if (data > size || note.n_descsz > size - data)
                        return false;
                if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0) {
                        to_hex(notes + data, note.n_descsz, hex);
                        return note.n_descsz > 0;
                }
                if (next > size)
                        return false;
                at = next;
        }
        return false;
}

/* Any file may be here: nothing in its header is believed. */
static bool read_build_id(struct record_files *files, int fd, char hex[static HEX_ROOM])
{
        Elf64_Ehdr head;
        Elf64_Phdr segment;

        if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
            head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phentsize != sizeof(segment) || head.e_phoff > INT64_MAX / 2)
                return false;
        for (unsigned i = 0; i < head.e_phnum; i++) {
                off_t at = (off_t)(head.e_phoff + (uint64_t)i * sizeof(segment));
                if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
                        return false;
                if (segment.p_type != PT_NOTE || segment.p_offset > INT64_MAX)
                        continue;
                size_t wanted = segment.p_filesz < EDGE ? (size_t)segment.p_filesz : EDGE;
                ssize_t size = pread(fd, files->buffer, wanted, (off_t)segment.p_offset);
                if (size > 0 && find_build_id(files->buffer, (size_t)size, hex))
                        return true;
        }
        return false;
}

static bool is_known(const struct record_files *files, const struct stat *status)
{
        for (size_t i = 0; i < files->count; i++)
                if (files->identity[i].device == status->st_dev && files->identity[i].inode == status->st_ino)
                        return true;
        return false;
}

static const char *shown_name(const struct record_files *files, const char *path)
{
        const char *slash = files->anonymous ? strrchr(path, '/') : NULL;

        return slash ? slash + 1 : path;
}

/* @kind: executable, library or opened. Only files that can be read without waiting. */
static json_t *describe(struct record_files *files, const char *kind, const char *path, int fd,
                        const struct stat *status)
{
        char hex[HEX_ROOM];
        json_t *object = json_object();
        const uint64_t size = (uint64_t)status->st_size;
        bool program = strcmp(kind, "opened") != 0;

        cli_json_set(&object, "kind", json_string(kind));
        cli_json_set(&object, "path", cli_json_text(shown_name(files, path)));
        cli_json_set(&object, "size", cli_json_count(size));
        if (program && read_build_id(files, fd, hex)) {
                cli_json_set(&object, "build_id", json_string(hex));
                return object;
        }
        if (digest_file(files, fd, size, hex)) {
                cli_json_set(&object, "digest", json_string(hex));
                cli_json_set(&object, "digest_of", json_string(size <= WHOLE_MAX ? "whole" : "first and last MiB"));
        }
        if (size > WHOLE_MAX)
                cli_json_set(&object, "modified", json_integer(status->st_mtim.tv_sec));
        return object;
}

static void add(struct record_files *files, const char *kind, const char *path)
{
        struct stat status;
        /* without waiting for a FIFO's writer */
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        if (fd < 0)
                return;
        if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && files->count < FILE_MAX &&
            !is_known(files, &status)) {
                json_t *object = describe(files, kind, path, fd, &status);
                files->identity[files->count] = (struct identity){.device = status.st_dev, .inode = status.st_ino};
                if (object)
                        files->file[files->count++] = object;
        }
        (void)close(fd);
}

/* Executable mappings of files: the first is the program, or its linker; "55d0-55d1 r-xp 00001000 fe:00 123 /usr/bin/x"
 */
static void add_mapped(struct record_files *files, const char *maps)
{
        bool first = true;

        for (const char *line = maps; *line;) {
                size_t length = strcspn(line, "\n");
                char path[PATH_MAX], rights[5];
                int at = 0;
                if (sscanf(line, "%*s %4s %*s %*s %*s %n", rights, &at) == 1 && at > 0 && (size_t)at < length &&
                    line[at] == '/' && rights[2] == 'x' && length - (size_t)at < sizeof(path)) {
                        (void)snprintf(path, sizeof(path), "%.*s", (int)(length - (size_t)at), line + at);
                        add(files, first ? "executable" : "library", path);
                        first = false;
                }
                line += length + (line[length] != '\0');
        }
}

void record_files_look(struct record_files *files, const struct vmm_recorder *recorder)
{
        char path[1024];
        pid_t pid;

        if (!files)
                return;
        for (unsigned i = 0; i < VMM_RECORDER_VCPU_MAX; i++) {
                const char *maps = files->mapped[i] ? NULL : vmm_recorder_maps(recorder, i);
                if (maps) {
                        files->mapped[i] = true;
                        add_mapped(files, maps);
                }
        }
        while (vmm_recorder_file(recorder, files->opened, path, sizeof(path), &pid)) {
                files->opened++;
                add(files, "opened", path);
        }
}

void record_files_annotate(const struct record_files *files, struct vmm_recorder *recorder)
{
        char name[32];

        for (size_t i = 0; files && i < files->count; i++) {
                char *text = json_dumps(files->file[i], JSON_COMPACT);
                (void)snprintf(name, sizeof(name), "host_file_%zu", i);
                if (text)
                        vmm_recorder_annotate(recorder, name, text);
                free(text);
        }
        unsigned lost = vmm_recorder_files_lost(recorder);
        if (files && lost) {
                (void)snprintf(name, sizeof(name), "%u", lost);
                vmm_recorder_annotate(recorder, "host_files_lost", name);
        }
}
