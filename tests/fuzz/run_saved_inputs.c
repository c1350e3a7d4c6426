/*
 * Runs a fuzz target over saved inputs: every file of the directory named on the command line, then the empty input
 * and some that need no file. A target that misbehaves aborts; reaching the end is the pass.
 */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The whole file in memory the size of the file, so that a sanitizer sees a read past its end. */
static uint8_t *read_file(const char *path, size_t *size)
{
        FILE *file = fopen(path, "rb");
        if (file == NULL)
                return NULL;
        uint8_t *data = NULL;
        long end = -1;
        if (fseek(file, 0, SEEK_END) == 0)
                end = ftell(file);
        if (end >= 0 && fseek(file, 0, SEEK_SET) == 0) {
                data = malloc(end > 0 ? (size_t)end : 1);
                if (data != NULL && fread(data, 1, (size_t)end, file) != (size_t)end) {
                        free(data);
                        data = NULL;
                }
                *size = (size_t)end;
        }
        (void)fclose(file);
        return data;
}

static int run_directory(const char *path, unsigned *count)
{
        struct dirent **entry = NULL;
        int n = scandir(path, &entry, NULL, alphasort);
        if (n < 0 && errno == ENOENT)
                return 0; /* nothing saved yet */
        if (n < 0) {
                (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
                return -1;
        }
        int status = 0;
        for (int i = 0; i < n; i++) {
                char file[4096];
                (void)snprintf(file, sizeof(file), "%s/%s", path, entry[i]->d_name);
                if (entry[i]->d_name[0] != '.') {
                        size_t size = 0;
                        uint8_t *data = read_file(file, &size);
                        if (data == NULL) {
                                (void)fprintf(stderr, "%s: cannot be read\n", file);
                                status = -1;
                        } else {
                                (void)fprintf(stderr, "%s\n", file);
                                (void)LLVMFuzzerTestOneInput(data, size);
                                (*count)++;
                        }
                        free(data);
                }
                free(entry[i]);
        }
        free(entry);
        return status;
}

/* Lengths around the sizes that formats care about, filled with a linear congruential sequence, zeros and ones. */
static int run_made_up(unsigned *count)
{
        static const size_t sizes[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 64, 255, 256, 511, 512, 513, 1000, 4096, 5000};
        static const unsigned fills = 6;
        uint32_t random = 1;
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                for (unsigned fill = 0; fill < fills; fill++) {
                        uint8_t *data = malloc(sizes[i] > 0 ? sizes[i] : 1);
                        if (data == NULL)
                                return -1;
                        memset(data, fill == 0 ? 0 : 0xff, sizes[i]);
                        for (size_t b = 0; fill >= 2 && b < sizes[i]; b++) {
                                random = random * 1664525u + 1013904223u;
                                data[b] = (uint8_t)(random >> 24);
                        }
                        (void)LLVMFuzzerTestOneInput(data, sizes[i]);
                        (*count)++;
                        free(data);
                }
        }
        return 0;
}

int main(int argc, char **argv)
{
        unsigned count = 0;
        int status = 0;
        for (int i = 1; i < argc; i++) {
                if (run_directory(argv[i], &count) != 0)
                        status = 1;
        }
        if (run_made_up(&count) != 0)
                status = 1;
        printf("%u inputs\n", count);
        return status;
}
