#include "replay/corpus/allow_rules.h"

#include "hwaccl/exit_reason.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX     10000u
#define ANY_REASON    UINT64_MAX
#define REASON_IO     30u
#define PORT_MAX      0xffffu
#define DATE_EXPECTED "a date such as 2027-03-31, or never"

/* The next word of a line, its quotes removed, in place; NULL: there is none, and *text is at the comment or the end. A
 * quote that is not closed leaves *text at NULL. */
static char *next_word(char **text)
{
        char *from = *text + strspn(*text, " \t\r\n"), *word = from, *to = from;
        bool quoted = false;

        *text = from;
        if (!*from || *from == '#')
                return NULL;
        for (; *from && (quoted || !isspace((unsigned char)*from)); from++) {
                if (*from == '"')
                        quoted = !quoted;
                else
                        *to++ = *from;
        }
        *text = quoted ? NULL : from + (*from != '\0');
        *to = '\0';
        return word;
}

static bool parse_port_number(const char *text, uint64_t *port)
{
        char *end;

        if (!isdigit((unsigned char)*text))
                return false;
        errno = 0;
        *port = strtoull(text, &end, 0);
        return !errno && !*end && *port <= PORT_MAX;
}

static bool parse_port(struct allow_rule *rule, char *value, struct hwaccl_error *error)
{
        char *dash = strchr(value, '-');

        if (dash)
                *dash = '\0';
        rule->has_port = parse_port_number(value, &rule->port) &&
                         parse_port_number(dash ? dash + 1 : value, &rule->port_last) && rule->port <= rule->port_last;
        return rule->has_port ||
               hwaccl_error_set(error, "invalid port: expected one such as 0x3f8, or a range such as 0x3f8-0x3ff");
}

static bool parse_reason(struct allow_rule *rule, const char *value, struct hwaccl_error *error)
{
        uint32_t reason;

        if (!hwaccl_exit_reason_parse(value, &reason))
                return hwaccl_error_set(error, "unknown reason '%s': expected one such as 30 or io-instruction", value);
        rule->reason = reason;
        return true;
}

/* Seconds since 1970 at which the day after it begins. */
static bool parse_date(const char *text, time_t *end)
{
        struct tm day = {.tm_isdst = 0}, again;
        const char *rest = strptime(text, "%Y-%m-%d", &day);

        if (!rest || *rest || strlen(text) != sizeof("2027-03-31") - 1)
                return false;
        again = day;
        *end = timegm(&again);
        if (*end == (time_t)-1 || again.tm_mday != day.tm_mday || again.tm_mon != day.tm_mon)
                return false; /* February 30 */
        *end += (time_t)24 * 60 * 60;
        return true;
}

static bool parse_until(struct allow_rule *rule, const char *value, time_t now, struct hwaccl_error *error)
{
        time_t end;

        rule->until = value;
        if (strcmp(value, "never") == 0)
                return true;
        if (!parse_date(value, &end))
                return hwaccl_error_set(error, "invalid date '%s' (until): expected " DATE_EXPECTED, value);
        rule->expired = now >= end;
        return true;
}

/* Of two ports, one would not be met: what a reviewer reads is what holds. */
static bool once(bool first, const char *word, struct hwaccl_error *error)
{
        return first || hwaccl_error_set(error, "%s= twice: expected one, or a rule for each", word);
}

static bool parse_word(struct allow_rule *rule, char *word, time_t now, struct hwaccl_error *error)
{
        char *value = strchr(word, '=');

        if (!value) {
                if (rule->field_count == ALLOW_FIELDS_MAX)
                        return hwaccl_error_set(error, "more than %d fields", ALLOW_FIELDS_MAX);
                rule->field[rule->field_count++] = word;
                return true;
        }
        *value++ = '\0';
        if (strcmp(word, "reason") == 0)
                return once(rule->reason == ANY_REASON, word, error) && parse_reason(rule, value, error);
        if (strcmp(word, "port") == 0)
                return once(!rule->has_port, word, error) && parse_port(rule, value, error);
        if (strcmp(word, "until") == 0)
                return once(!rule->until, word, error) && parse_until(rule, value, now, error);
        if (strcmp(word, "instruction") != 0)
                return hwaccl_error_set(error, "unknown condition '%s': expected reason, instruction, port or until",
                                        word);
        if (!once(!rule->instruction, word, error))
                return false;
        rule->instruction = value;
        return true;
}

static bool check_rule(const struct allow_rule *rule, struct hwaccl_error *error)
{
        if (!rule->field_count)
                return hwaccl_error_set(error, "no field: expected what may differ, such as rax or \"effect 0\"");
        if (!rule->until)
                return hwaccl_error_set(error, "no date: expected until= and " DATE_EXPECTED);
        if (!*rule->comment)
                return hwaccl_error_set(error, "no comment: expected # and the reason for the rule");
        return true;
}

/* @line without its first word. */
static bool parse_rule(struct allow_rule *rule, char *line, time_t now, struct hwaccl_error *error)
{
        char *word;

        while (line && (word = next_word(&line)))
                if (line && !parse_word(rule, word, now, error))
                        return false;
        if (!line)
                return hwaccl_error_set(error, "a quote is not closed");
        line += strspn(line, "# \t");
        line[strcspn(line, "\r\n")] = '\0';
        rule->comment = line;
        return check_rule(rule, error);
}

/* Takes the line over. */
static bool add_rule(struct allow_rules *rules, unsigned number, char *line, time_t now, struct hwaccl_error *error)
{
        char *rest = line;
        const char *word = next_word(&rest);

        if (!word && rest) {
                free(line);
                return true; /* blank, or a comment */
        }
        struct allow_rule *rule =
                rules->count < RULES_MAX ? reallocarray(rules->rule, rules->count + 1, sizeof(*rule)) : NULL;
        if (!rule) {
                free(line);
                return hwaccl_error_set(error, "out of memory");
        }
        rules->rule = rule;
        rule += rules->count++;
        *rule = (struct allow_rule){.line = number, .text = line, .reason = ANY_REASON};
        if (!rest || strcmp(word, "may-differ") != 0)
                return hwaccl_error_set(error, "no rule: expected may-differ, or # before a comment");
        return parse_rule(rule, rest, now, error);
}

static bool read_lines(struct allow_rules *rules, FILE *file, time_t now, struct hwaccl_error *error)
{
        for (unsigned number = 1;; number++) {
                char *line = NULL;
                size_t room = 0;
                errno = 0;
                ssize_t length = getline(&line, &room, file);
                if (length < 0) {
                        int code = errno;
                        free(line);
                        return feof(file) || hwaccl_error_set(error, "%s: %s", rules->path, strerror(code));
                }
                if (strlen(line) != (size_t)length) {
                        free(line);
                        return hwaccl_error_set(error, "%s:%u: a byte 0: expected text", rules->path, number);
                }
                if (!add_rule(rules, number, line, now, error))
                        return hwaccl_error_prefix(error, "%s:%u", rules->path, number);
        }
}

bool allow_rules_read(struct allow_rules *rules, const char *path, time_t now, struct hwaccl_error *error)
{
        FILE *file = fopen(path, "re");

        *rules = (struct allow_rules){.path = path};
        if (!file)
                return hwaccl_error_set(error, "%s: %s", path, strerror(errno));
        bool good = read_lines(rules, file, now, error);
        (void)fclose(file);
        return good;
}

/* "effect" is "effect 3" too. */
static bool names(const char *pattern, const char *what)
{
        size_t length = strlen(pattern);

        return fnmatch(pattern, what, 0) == 0 ||
               (strncmp(pattern, what, length) == 0 && what[length] == ' ' && isdigit((unsigned char)what[length + 1]));
}

static bool meets(const struct allow_rule *rule, const struct hwaccl_divergence *divergence)
{
        uint64_t reason = divergence->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
        uint64_t port = divergence->qualification >> 16 & PORT_MAX;

        if (rule->expired || (rule->reason != ANY_REASON && rule->reason != reason))
                return false;
        if (rule->has_port && (reason != REASON_IO || port < rule->port || port > rule->port_last))
                return false;
        return !rule->instruction || fnmatch(rule->instruction, divergence->instruction, 0) == 0;
}

static bool allows(const struct allow_rule *rule, const struct hwaccl_divergence *divergence, const char *what)
{
        if (!meets(rule, divergence))
                return false;
        for (size_t i = 0; i < rule->field_count; i++)
                if (names(rule->field[i], what))
                        return true;
        return false;
}

static bool is_allowed(struct allow_rules *rules, const struct hwaccl_divergence *divergence, const char *what)
{
        for (size_t i = 0; i < rules->count; i++)
                if (allows(&rules->rule[i], divergence, what)) {
                        rules->rule[i].matches++;
                        return true;
                }
        return false;
}

void allow_rules_apply(struct allow_rules *rules, struct hwaccl_divergence *divergence)
{
        unsigned kept = 0, count = divergence->difference_count;

        for (unsigned i = 0; i < count; i++)
                if (!is_allowed(rules, divergence, divergence->difference[i].what))
                        divergence->difference[kept++] = divergence->difference[i];
        /* where there was no room for all differences, those that are not known are not allowed */
        if (kept || count < HWACCL_DIFFERENCE_MAX)
                divergence->difference_count = kept;
}

void allow_rules_report(const struct allow_rules *rules, void (*line)(void *opaque, const char *text), void *opaque)
{
        char text[512];

        for (size_t i = 0; i < rules->count; i++) {
                const struct allow_rule *rule = &rules->rule[i];
                if (!rule->expired && rule->matches)
                        continue;
                if (rule->expired)
                        (void)snprintf(text, sizeof(text), "%s:%u: the rule is expired since %s: %s", rules->path,
                                       rule->line, rule->until, rule->comment);
                else
                        (void)snprintf(text, sizeof(text), "%s:%u: the rule matches nothing: %s", rules->path,
                                       rule->line, rule->comment);
                for (char *found = text; (found = strstr(found, "##["));)
                        found[2] = '?'; /* a command for GitHub's runner, anywhere in a line */
                line(opaque, text);
        }
}

void allow_rules_release(struct allow_rules *rules)
{
        for (size_t i = 0; i < rules->count; i++)
                free(rules->rule[i].text);
        free(rules->rule);
        *rules = (struct allow_rules){.path = NULL};
}
