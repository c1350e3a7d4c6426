/*
 * Which fields of the subject state the placeholders in migrations stand for. A migration expands from the newest list
 * whose version is not above its own, so that it makes the same tables whatever is added to the field table later.
 * Lists of a released version never change: a field that is new needs a migration that adds its columns, and lists of
 * that version.
 */
#include "db-schema/hwaccl_schema_sql.h"

#include <stddef.h>

#define EXIT_INFORMATION                                                                                               \
        "exit_reason exit_qualification guest_physical_address interruptibility interrupt_information "                \
        "instruction_length"
#define SEGMENT(name) name "_selector " name "_base " name "_limit " name "_access_rights"

const struct hwaccl_schema_field_list hwaccl_schema_field_lists[] = {
        {1, "page", "rax rbx rcx rdx rdi rsi rbp r8 r9 r10 r11 r12 r13 r14 r15 " EXIT_INFORMATION " rip rsp rflags"},
        {1, "handled", "rbx rcx rdx rdi rsi rbp r8 r9 r10 r11 r12 r13 r14 r15 " EXIT_INFORMATION " rsp rflags"},
        {1, "system",
         "cr2 cr0 cr0_shadow cr3 cr4 cr4_shadow efer sysenter_cs sysenter_esp sysenter_eip " SEGMENT("fs") " " SEGMENT(
                 "gs") " " SEGMENT("tr") " " SEGMENT("ldtr") " " SEGMENT("gdtr") " " SEGMENT("idtr")},
        {1, "segment", SEGMENT("cs") " " SEGMENT("ss") " " SEGMENT("ds") " " SEGMENT("es")},
};
const size_t hwaccl_schema_field_list_count = sizeof(hwaccl_schema_field_lists) / sizeof(hwaccl_schema_field_lists[0]);
