#include "core/exit/svm_reasons.h"

#include <stddef.h>
#include <strings.h>

static const struct {
        uint64_t code;
        const char *name;
} reasons[] = {
#define X(code, name) {code, name},
        SVM_REASONS(X)
#undef X
};

const char *svm_reason_name(uint64_t basic_reason)
{
        for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
                if (SVM_REASON(reasons[i].code) == basic_reason)
                        return reasons[i].name;
        return NULL;
}

bool svm_reason_parse(const char *text, uint32_t *basic_reason)
{
        for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
                if (strcasecmp(reasons[i].name, text) == 0) {
                        *basic_reason = (uint32_t)SVM_REASON(reasons[i].code);
                        return true;
                }
        return false;
}
