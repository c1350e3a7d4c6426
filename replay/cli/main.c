/* hwaccl - the command. One file per subcommand; this one finds it and hands over. */
#include <stdio.h>

int main(void)
{
        (void)fprintf(stderr, "hwaccl: no subcommand is built yet\n");
        return 2;
}
