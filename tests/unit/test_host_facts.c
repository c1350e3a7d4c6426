/* What the recorder says of the host, against the system's header and the processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/interpose/host_facts.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

static void capabilities_have_the_names_of_the_header(void **state)
{
        FILE *header = fopen("/usr/include/linux/kvm.h", "r");
        char line[512], name[80];
        unsigned number, found = 0;

        (void)state;
        assert_non_null(header);
        while (fgets(line, sizeof(line), header)) {
                if (sscanf(line, "#define %79s %u", name, &number) != 2 || strncmp(name, "KVM_CAP_", 8) != 0 ||
                    number >= HOST_CAPABILITY_MAX)
                        continue;
                const char *ours = host_capability_name(number);
                if (!ours || strcmp(ours, name) != 0)
                        fail_msg("%s is %u, which is called %s", name, number, ours ? ours : "nothing");
                found++;
        }
        (void)fclose(header);
        assert_true(found > 200);
        assert_null(host_capability_name(HOST_CAPABILITY_MAX));
}

static void every_leaf_up_to_the_highest_is_there(void **state)
{
        static struct host_cpuid rows[HOST_CPUID_MAX];
        size_t count = host_cpuid(rows);
        uint32_t eax, ebx, ecx, edx;

        (void)state;
        assert_true(count > 10 && count < HOST_CPUID_MAX);
        __cpuid(0, eax, ebx, ecx, edx);
        assert_int_equal(rows[0].leaf, 0);
        assert_int_equal(rows[0].ebx, ebx);
        uint32_t next = 0;
        for (size_t i = 0; i < count && rows[i].leaf <= eax; i++)
                if (rows[i].subleaf == 0)
                        assert_int_equal(rows[i].leaf, next++);
        assert_int_equal(next, eax + 1);
        for (size_t i = 1; i < count; i++)
                assert_true(rows[i].leaf > rows[i - 1].leaf ||
                            (rows[i].leaf == rows[i - 1].leaf && rows[i].subleaf > rows[i - 1].subleaf));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(capabilities_have_the_names_of_the_header),
                cmocka_unit_test(every_leaf_up_to_the_highest_is_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
