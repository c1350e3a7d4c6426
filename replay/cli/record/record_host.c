#include "replay/cli/record/record_host.h"

#include "replay/cli/json.h"

#include "tracer/interpose/host_facts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULES "/sys/module"

static void add_array(struct record_options *options, const char *name, json_t *rows)
{
        char *text = rows && json_array_size(rows) ? json_dumps(rows, JSON_COMPACT) : NULL;

        if (text)
                record_options_add(options, name, text);
        else if (!rows)
                options->failed = true;
        json_decref(rows);
        free(text);
}

static void add_cpuid(struct record_options *options)
{
        struct host_cpuid *row = calloc(HOST_CPUID_MAX, sizeof(*row));
        json_t *rows = json_array();
        size_t count = row ? host_cpuid(row) : 0;

        for (size_t i = 0; i < count; i++)
                cli_json_append(&rows,
                                json_pack("[I, I, I, I, I, I]", (json_int_t)row[i].leaf, (json_int_t)row[i].subleaf,
                                          (json_int_t)row[i].eax, (json_int_t)row[i].ebx, (json_int_t)row[i].ecx,
                                          (json_int_t)row[i].edx));
        add_array(options, "host_cpuid", rows);
        free(row);
}

static void add_capabilities(struct record_options *options)
{
        struct host_capability row[HOST_CAPABILITY_MAX];
        json_t *rows = json_array();
        size_t count = host_capabilities(row);

        for (size_t i = 0; i < count; i++)
                cli_json_append(&rows, json_pack("[I, s?, I]", (json_int_t)row[i].number, row[i].name,
                                                 (json_int_t)row[i].value));
        add_array(options, "host_capabilities", rows);
}

/* One line of a file below /sys; NULL if there is none. */
static char *read_line(const char *path, char *line, size_t room)
{
        FILE *file = fopen(path, "re");
        char *read = file ? fgets(line, (int)room, file) : NULL;

        if (file)
                (void)fclose(file);
        if (read)
                read[strcspn(read, "\n")] = '\0';
        return read;
}

static void add_parameters_of(json_t **rows, const char *module)
{
        char folder[300], path[600], line[256];

        (void)snprintf(folder, sizeof(folder), MODULES "/%s/parameters", module);
        DIR *list = opendir(folder);
        for (const struct dirent *entry; list && (entry = readdir(list));) {
                (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
                if (entry->d_name[0] != '.' && read_line(path, line, sizeof(line)))
                        cli_json_append(rows, json_pack("[s, s, o]", module, entry->d_name, cli_json_text(line)));
        }
        if (list)
                (void)closedir(list);
}

static void add_parameters(struct record_options *options)
{
        json_t *rows = json_array();
        DIR *list = opendir(MODULES);

        for (const struct dirent *entry; list && (entry = readdir(list));)
                if (strncmp(entry->d_name, "kvm", 3) == 0)
                        add_parameters_of(&rows, entry->d_name);
        if (list)
                (void)closedir(list);
        add_array(options, "host_kvm_parameters", rows);
}

void record_host_add(struct record_options *options)
{
        add_cpuid(options);
        add_capabilities(options);
        add_parameters(options);
}
