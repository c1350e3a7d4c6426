/*
 * Text of recordings and file names in other formats. Recordings are untrusted: each function writes @text so that it
 * is data there, whatever it holds. Controls, bytes that are not UTF-8 and what reorders the display become '?'.
 */
#ifndef HWACCL_CORPUS_TEXT_H
#define HWACCL_CORPUS_TEXT_H

#include <stdio.h>

/** corpus_text_terminal - a part of a line that a terminal or GitHub's log shows; it begins no workflow command */
void corpus_text_terminal(FILE *out, const char *text);

/** corpus_text_xml - character data or the value of an attribute between double quotes */
void corpus_text_xml(FILE *out, const char *text);

/** corpus_text_markdown - inline text between <code> tags: neither markup nor HTML, names nobody, links nothing */
void corpus_text_markdown(FILE *out, const char *text);

/** corpus_text_block - a line in a block that corpus_markdown.c fences with tildes */
void corpus_text_block(FILE *out, const char *text);

/** corpus_text_workflow - the message or a property of a GitHub workflow command */
void corpus_text_workflow(FILE *out, const char *text);

/** corpus_text_shell - one word of a POSIX shell's command; a file name, which no command takes for an option */
void corpus_text_shell(FILE *out, const char *path);

#endif
