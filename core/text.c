#include "core/text.h"

#include <stdbool.h>
#include <string.h>

/* Bytes of the UTF-8 sequence at @text and its code point; 0 if it is none (RFC 3629: shortest form, no surrogates). */
static size_t decode(const unsigned char *text, uint32_t *code_point)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t size = text[0] < 0x80 ? 1 : text[0] < 0xc0 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
        uint32_t value = size > 1 ? text[0] & (0x7fu >> size) : text[0];

        if (size == 0 || text[0] >= 0xf8)
                return 0;
        for (size_t i = 1; i < size; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0; /* the terminating zero too */
                value = value << 6 | (text[i] & 0x3f);
        }
        if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
                return 0;
        *code_point = value;
        return size;
}

static bool is_unsafe(uint32_t code_point)
{
        return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) || code_point == 0x61c ||
               code_point == 0x200e || code_point == 0x200f || (code_point >= 0x2028 && code_point <= 0x202e) ||
               (code_point >= 0x2066 && code_point <= 0x2069);
}

const char *hwaccl_text_find_unsafe(const char *text, size_t *size, uint32_t *code_point)
{
        while (*text) {
                *size = decode((const unsigned char *)text, code_point);
                if (*size == 0) {
                        *size = 1;
                        *code_point = (unsigned char)*text;
                        return text;
                }
                if (is_unsafe(*code_point))
                        return text;
                text += *size;
        }
        return NULL;
}

void hwaccl_text_make_safe(char *text)
{
        size_t size = 0;
        uint32_t code_point = 0;
        const char *found;

        while ((found = hwaccl_text_find_unsafe(text, &size, &code_point))) {
                text += found - text;
                *text++ = '?';
                memmove(text, text + size - 1, strlen(text + size - 1) + 1);
        }
}
