/* Conversions between the formats of the x87 FPU (SDM 1, 4.2, 4.8 and 8.5), in integers: the same on every host. */
#include "core/exit/emulate/floating_point.h"

#include <string.h>

#define SIGN         0x8000
#define EXPONENT_MAX 0x7fff
#define BIAS         16383
#define INTEGER_BIT  (UINT64_C(1) << 63)
#define QUIET_BIT    (UINT64_C(1) << 62)

struct format {
        unsigned fraction; /* bits */
        int bias;
        unsigned exponent_max;
};

static struct format format_of(unsigned size)
{
        return size == 4 ? (struct format){23, 127, 0xff} : (struct format){52, 1023, 0x7ff};
}

/* Of a value that is not 0. */
static unsigned leading_zeros(uint64_t value)
{
        return (unsigned)__builtin_clzll(value);
}

struct extended extended_from_float(uint64_t bits, unsigned size, unsigned *flags)
{
        const struct format format = format_of(size);
        uint64_t fraction = bits & ((UINT64_C(1) << format.fraction) - 1);
        unsigned exponent = (unsigned)(bits >> format.fraction) & format.exponent_max;
        int sign = bits >> (8 * size - 1) & 1 ? SIGN : 0;
        uint64_t significand = fraction << (63 - format.fraction);

        if (exponent == format.exponent_max) {
                if (fraction && !(significand & QUIET_BIT))
                        *flags |= X87_INVALID;
                return (struct extended){INTEGER_BIT | significand | (fraction ? QUIET_BIT : 0),
                                         (uint16_t)(sign | EXPONENT_MAX)};
        }
        if (exponent)
                return (struct extended){INTEGER_BIT | significand,
                                         (uint16_t)(sign | ((int)exponent - format.bias + BIAS))};
        if (!fraction)
                return (struct extended){0, (uint16_t)sign};
        *flags |= X87_DENORMAL;
        unsigned shift = leading_zeros(significand);
        return (struct extended){significand << shift, (uint16_t)(sign | (1 - format.bias + BIAS - (int)shift))};
}

struct extended extended_from_integer(int64_t value)
{
        uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

        if (!magnitude)
                return (struct extended){0, 0};
        unsigned shift = leading_zeros(magnitude);
        return (struct extended){magnitude << shift, (uint16_t)((value < 0 ? SIGN : 0) | (BIAS + 63 - (int)shift))};
}

/* @value shifted right by @shift, rounded. *inexact: bits were lost; *up: and the magnitude grew for it */
static uint64_t round_shifted(uint64_t value, unsigned shift, bool negative, enum x87_rounding rounding, bool *inexact,
                              bool *up)
{
        uint64_t kept = shift < 64 ? value >> shift : 0;
        uint64_t half = shift <= 64 && shift ? UINT64_C(1) << (shift - 1) : 0;
        uint64_t lost = shift < 64 ? value & ((UINT64_C(1) << shift) - 1) : value;

        *inexact = lost != 0;
        switch (rounding) {
        case X87_NEAREST: *up = half && (lost > half || (lost == half && (kept & 1))); break;
        case X87_DOWN: *up = *inexact && negative; break;
        case X87_UP: *up = *inexact && !negative; break;
        default: *up = false;
        }
        return kept + *up;
}

enum class { CLASS_ZERO, CLASS_FINITE, CLASS_INFINITE, CLASS_QUIET, CLASS_SIGNALING, CLASS_UNSUPPORTED };

static enum class classify(struct extended number) {
        unsigned exponent = number.exponent & EXPONENT_MAX;

        if (exponent && !(number.significand & INTEGER_BIT)) return CLASS_UNSUPPORTED;
        if (exponent < EXPONENT_MAX) return number.significand ? CLASS_FINITE : CLASS_ZERO;
        if (number.significand == INTEGER_BIT) return CLASS_INFINITE;
        return number.significand & QUIET_BIT ? CLASS_QUIET : CLASS_SIGNALING;
}

/* Beyond the format: infinity, or the greatest number where rounding goes towards zero. */
static uint64_t overflow(const struct format *format, bool negative, enum x87_rounding rounding, unsigned *flags)
{
        bool infinite = rounding == X87_NEAREST || rounding == (negative ? X87_DOWN : X87_UP);

        *flags |= X87_OVERFLOW | X87_PRECISION | (infinite ? X87_C1 : 0);
        return ((uint64_t)format->exponent_max << format->fraction) - !infinite;
}

static uint64_t finite_to_float(struct extended number, const struct format *format, enum x87_rounding rounding,
                                bool underflow_masked, unsigned *flags)
{
        bool negative = number.exponent & SIGN;
        unsigned zeros = leading_zeros(number.significand);
        int exponent = (number.exponent & EXPONENT_MAX ? number.exponent & EXPONENT_MAX : 1) - (int)zeros - BIAS;
        uint64_t significand = number.significand << zeros;
        unsigned shift = 63 - format->fraction;
        bool inexact, up;

        uint64_t rounded = round_shifted(significand, shift, negative, rounding, &inexact, &up);
        bool carried = rounded >> (format->fraction + 1);
        bool tiny = exponent + carried < 1 - format->bias; /* with the precision of the format, any exponent */
        if (exponent < 1 - format->bias) {
                int more = 1 - format->bias - exponent;
                rounded = round_shifted(significand, shift + (unsigned)(more < 64 ? more : 64), negative, rounding,
                                        &inexact, &up);
                exponent = 1 - format->bias;
                carried = false;
        }
        if (tiny && (inexact || !underflow_masked))
                *flags |= X87_UNDERFLOW;
        if (exponent + carried > (int)format->exponent_max - 1 - format->bias)
                return overflow(format, negative, rounding, flags);
        *flags |= (inexact ? X87_PRECISION : 0u) | (inexact && up ? X87_C1 : 0u);
        /* the integer bit, and a carry into it, add one to the exponent */
        return ((uint64_t)(exponent + format->bias - 1) << format->fraction) + rounded;
}

uint64_t extended_to_float(struct extended number, unsigned size, enum x87_rounding rounding, bool underflow_masked,
                           unsigned *flags)
{
        const struct format format = format_of(size);
        uint64_t sign = (uint64_t)(number.exponent >> 15) << (8 * size - 1);
        uint64_t infinite = (uint64_t)format.exponent_max << format.fraction;
        uint64_t fraction = number.significand << 1 >> (64 - format.fraction);
        uint64_t quiet = UINT64_C(1) << (format.fraction - 1);

        switch (classify(number)) {
        case CLASS_ZERO: return sign;
        case CLASS_FINITE: return sign | finite_to_float(number, &format, rounding, underflow_masked, flags);
        case CLASS_INFINITE: return sign | infinite;
        case CLASS_QUIET: return sign | infinite | fraction;
        case CLASS_SIGNALING: *flags |= X87_INVALID; return sign | infinite | quiet | fraction;
        default: *flags |= X87_INVALID; return UINT64_C(1) << (8 * size - 1) | infinite | quiet;
        }
}

int64_t extended_to_integer(struct extended number, unsigned size, enum x87_rounding rounding, unsigned *flags)
{
        bool negative = number.exponent & SIGN;
        int exponent = (number.exponent & EXPONENT_MAX) - BIAS;
        uint64_t limit = UINT64_C(1) << (8 * size - 1); /* of negative numbers; one less of others */
        enum class class = classify(number);
        bool inexact = false, up = false;
        uint64_t magnitude = 0;

        if (class == CLASS_FINITE && exponent <= 63)
                magnitude = round_shifted(number.significand, exponent >= -1 ? (unsigned)(63 - exponent) : 65, negative,
                                          rounding, &inexact, &up);
        if (class > CLASS_FINITE || (class == CLASS_FINITE && exponent > 63) || magnitude > limit - !negative) {
                *flags |= X87_INVALID;
                return (int64_t)(0 - limit);
        }
        *flags |= (inexact ? X87_PRECISION : 0u) | (inexact && up ? X87_C1 : 0u);
        return negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
}

#define DECIMAL_MAX    UINT64_C(999999999999999999)
#define DECIMAL_DIGITS 18u
#define DECIMAL_SIGN   0x80u

struct extended extended_from_decimal(const uint8_t bytes[10])
{
        struct extended number;
        uint64_t value = 0;

        for (unsigned i = DECIMAL_DIGITS; i-- > 0;)
                value = value * 10 + (bytes[i / 2] >> 4 * (i & 1) & 15);
        number = extended_from_integer((int64_t)value);
        if (bytes[9] & DECIMAL_SIGN)
                number.exponent |= (uint16_t)SIGN;
        return number;
}

void extended_to_decimal(struct extended number, enum x87_rounding rounding, uint8_t bytes[10], unsigned *flags)
{
        static const uint8_t indefinite[10] = {[7] = 0xc0, 0xff, 0xff};
        unsigned rounded = 0;
        int64_t value = extended_to_integer(number, 8, rounding, &rounded);
        uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

        if (magnitude > DECIMAL_MAX || rounded & X87_INVALID) {
                *flags |= X87_INVALID;
                memcpy(bytes, indefinite, sizeof(indefinite));
                return;
        }
        *flags |= rounded;
        memset(bytes, 0, 10);
        for (unsigned i = 0; i < DECIMAL_DIGITS; i++, magnitude /= 10)
                bytes[i / 2] |= (uint8_t)(magnitude % 10 << 4 * (i & 1));
        bytes[9] = number.exponent & SIGN ? DECIMAL_SIGN : 0;
}
