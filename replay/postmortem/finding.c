#include "replay/postmortem/finding.h"

#include "core/text.h"

#include <stdarg.h>
#include <stdio.h>

void finding_title(struct hwaccl_finding *finding, unsigned weight, enum hwaccl_judgement judgement, uint64_t exit,
                   const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(finding->title, sizeof(finding->title), format, arguments);
        va_end(arguments);
        hwaccl_text_make_safe(finding->title);
        finding->weight = weight;
        finding->judgement = judgement;
        finding->exit = exit;
}

static void add_fact(struct hwaccl_finding *finding, uint64_t exit, bool guess, const char *format, va_list arguments)
{
        if (finding->fact_count == FINDING_FACTS)
                return;
        struct hwaccl_fact *fact = &finding->fact[finding->fact_count++];
        (void)vsnprintf(fact->text, sizeof(fact->text), format, arguments);
        hwaccl_text_make_safe(fact->text);
        fact->exit = exit;
        fact->guess = guess;
}

void finding_fact(struct hwaccl_finding *finding, uint64_t exit, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        add_fact(finding, exit, false, format, arguments);
        va_end(arguments);
}

void finding_guess(struct hwaccl_finding *finding, uint64_t exit, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        add_fact(finding, exit, true, format, arguments);
        va_end(arguments);
}

void finding_advise(struct hwaccl_finding *finding, const char *format, ...)
{
        va_list arguments;

        if (finding->advice_count == FINDING_ADVICE)
                return;
        char *text = finding->advice[finding->advice_count++];
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(finding->advice[0]), format, arguments);
        va_end(arguments);
        hwaccl_text_make_safe(text);
}
