/* reseal RECORDING...: makes their digests anew, for tests that falsify a recording and look at what replay finds. */
#include "tests/fixtures/reseal.h"

#include <stdio.h>

int main(int argc, char **argv)
{
        for (int i = 1; i < argc; i++) {
                if (!reseal(argv[i])) {
                        (void)fprintf(stderr, "reseal: %s\n", argv[i]);
                        return 1;
                }
        }
        return 0;
}
