/* What passes the terminal filter, what does not, and that its page says the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/text.h"
#include "terminal/filter.h"
#include "terminal/sequences.h"

#define REPLACED "\xef\xbf\xbd"

/* What comes out, without what is undone at the end. The caller frees. */
static char *pass(const char *bytes, size_t length, bool is_ascii)
{
	struct strbuf out = STRBUF_INIT;
	struct filter filter;

	filter_init(&filter, is_ascii);
	filter_add(&filter, bytes, length, &out);
	assert_int_equal(strlen(strbuf_text(&out)), out.length);
	return strbuf_take(&out);
}

static void expect(const char *bytes, const char *wanted)
{
	_cleanup_free_ char *got = pass(bytes, strlen(bytes), false);

	assert_string_equal(got, wanted);
}

static void passes(const char *bytes)
{
	expect(bytes, bytes);
}

/* The text around it stays. */
static void is_dropped(const char *bytes)
{
	_cleanup_free_ char *around = text_format("before%safter", bytes);

	expect(around, "beforeafter");
}

static void test_text_passes(void **state)
{
	(void)state;
	passes("plain text ~!\r\n\ttab\b\a");
	passes("Gr\xc3\xbc\xc3\x9f"
	       "e, \xe4\xb8\xad\xe6\x96\x87, \xf0\x9f\x9a\x80, \xe2\x94\x80\xe2\x94\x90");
	passes("\xc2\xa0 is the first behind the C1 controls");
	passes("\016lqqk\017");
}

static void test_what_draws_passes(void **state)
{
	static const char *const sequences_that_pass[] = {
		"\033[0;1;38;5;208;48;2;1;2;3m",
		"\033[4:3m",
		"\033[58:2::255:0:0m",
		"\033[m",
		"\033[H",
		"\033[12;40H",
		"\033[;5H",
		"\033[2J",
		"\033[K",
		"\033[1K",
		"\033[999999C",
		"\033[3@",
		"\033[2L",
		"\033[1;24r",
		"\033[r",
		"\033[s",
		"\033[u",
		"\0337",
		"\0338",
		"\033M",
		"\033D",
		"\033(0",
		"\033(B",
		"\033)0",
		"\033=",
		"\033>",
		"\033[?1049h",
		"\033[?25l",
		"\033[?1000h",
		"\033[?1006h",
		"\033[?2004h",
		"\033[?1004h",
		"\033[?2026h",
		"\033[?2026l",
		"\033[?2026$p",
		"\033[>1u",
		"\033[<u",
		"\033[=1;1u",
		"\033[?u",
		"\033[>4;2m",
		"\033[>4m",
		"\033[6n",
		"\033[c",
		"\033[0c",
		"\033[>c",
		"\033]10;?\a",
		"\033]11;?\033\\",
		"\033[2 q",
		"\033[!p",
		"\033[20b",
		"\033[4h",
		"\033[4l",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sequences_that_pass); i++)
		passes(sequences_that_pass[i]);
	expect("\033[?1049;1;25h", "\033[?1049h\033[?1h\033[?25h");
	expect("\033[?2;25h", "\033[?25h");
}

static void test_what_reaches_beyond_does_not(void **state)
{
	static const char *const dropped[] = {
		/* clipboard, notifications, links, directories, colours, files */
		"\033]52;c;Y3VybCBldmls\a",
		"\033]52;c;?\033\\",
		"\033]9;done\a",
		"\033]99;;hi\033\\",
		"\033]777;notify;a;b\a",
		"\033]8;;http://evil.test\033\\",
		"\033]7;file:///etc\a",
		"\033]4;1;?\a",
		"\033]11;#000000\a",
		"\033]11;rgb:00/00/00\033\\",
		"\033]10;?;?\033\\",
		"\033]11;??\a",
		"\033]11;\a",
		"\033]11\a",
		"\033]011;?\a",
		"\033]12;?\a",
		"\033]104\a",
		"\033]1337;File=name=eA==:eA==\a",
		"\033]133;A\a",
		"\033]50;?\a",
		"\033]5522;x\033\\",
		"\033]\a",
		"\033]x\a",
		"\033]0\a",
		"\033]99999999999;x\a",
		"\033]Lsun\033\\",
		/* what the terminal would type */
		"\005",
		"\033[21t",
		"\033[18t",
		"\033[t",
		"\033[5n",
		"\033[?6n",
		"\033[?996n",
		"\033[n",
		"\033[=c",
		"\033[>q",
		"\033[x",
		"\033[1;1;1;1;1;1*y",
		"\033[20$p",
		"\033[?1$p",
		"\033[1$w",
		"\033Z",
		"\033[?1c",
		/* other ways of reading: sets, 8-bit answers, VT52, window, printer, scroll-back */
		"\033%@",
		"\033%G",
		"\033 G",
		"\033 F",
		"\033[?2l",
		"\033[?3h",
		"\033[?38h",
		"\033[2h",
		"\033[20h",
		"\033[61\"p",
		"\033[5i",
		"\033[?5i",
		"\033[i",
		"\033[3J",
		"\033[8;50;100t",
		"\033[22;0t",
		"\033[?1;2s",
		"\033[?25r",
		"\033[?1001h",
		"\033[99999b",
		"\033[1;2;3;4;5T",
		"\033[3q",
		"\033[9;0]",
		"\033#8",
		"\033[?1043h",
		"\033[?5522h",
		"\033[>2t",
		"\033[>0;1m",
		"\033[>4;3m",
		"\033[>64u",
		"\033[7 q",
		"\033[1 @",
		"\033[?1m",
		"\033[1\"q",
		/* strings */
		"\033Pq#0;2;0;0;0#0~~\033\\",
		"\033P$qm\033\\",
		"\033P+q544e\033\\",
		"\033_Gf=24;AAAA\033\\",
		"\033^pm\033\\",
		"\033Xsos\033\\",
		"\033ktitle\033\\",
		"\033Ptmux;\033\033]52;c;eA==\a\033\\",
		/* of Linux's console, which nothing ends */
		"\033]R",
		"\033]P1ff0000",
		"\033[[",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
		is_dropped(dropped[i]);
	expect("a\033[1\0302Jb", "a2Jb");
	expect("a\033[31\033[?2lb", "ab");
	is_dropped("\033[1;2<m");
	is_dropped("\033[?>1h");
	is_dropped("\033[1 !p");
	is_dropped("\033[:1J");
	is_dropped("\033  G");
}

/* Where nobody could read the answer; all that draws passes as ever. */
static void test_questions_that_nobody_waits_for(void **state)
{
	static const char *const questions[] = {"\033[6n",	   "\033[c",	   "\033[>c",
						"\033[?u",	   "\033[?2026$p", "\033]11;?\a",
						"\033]10;?\033\\", "\033[?1000h",  "\033[?1003h",
						"\033[?1004h",	   "\033[?9h"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
		struct filter filter;

		filter_init(&filter, false);
		filter.drops_questions = true;
		filter_add(&filter, "\033[1;31ma", 8, &out);
		filter_add(&filter, questions[i], strlen(questions[i]), &out);
		filter_add(&filter, "b", 1, &out);
		assert_string_equal(strbuf_text(&out), "\033[1;31mab");
		assert_false(filter.has_asked);
	}
}

static void test_a_hard_reset_becomes_a_soft_one(void **state)
{
	(void)state;
	expect("x\033cy", "x\033[!p\033[H\033[2Jy");
}

static void test_no_control_in_another_coding(void **state)
{
	(void)state;
	expect("\xc2\x9b"
	       "31m",
	       REPLACED "31m"); /* CSI as U+009B */
	expect("\xc2\x9d"
	       "52;c;eA==\xc2\x9c",
	       REPLACED "52;c;eA==" REPLACED); /* OSC, ST */
	expect("\x9b"
	       "31m",
	       REPLACED "31m"); /* the raw byte */
	expect("\xe0\x82\x9b"
	       "31m",
	       REPLACED "31m"); /* overlong forms */
	expect("\xc0\x9b"
	       "31m",
	       REPLACED REPLACED "31m");
	expect("\xc1\x9b", REPLACED REPLACED);
	expect("\xf0\x80\x82\x9b"
	       "m",
	       REPLACED "m");
	expect("\xed\xa0\x80", REPLACED);     /* a surrogate */
	expect("\xf4\x90\x80\x80", REPLACED); /* beyond U+10FFFF */
	expect("\xe4\xb8x", REPLACED "x");    /* cut short */
	expect("\xe4\033[31m", REPLACED "\033[31m");
	expect("\033[3\xc3\xa4"
	       "1m",
	       "\xc3\xa4"
	       "1m"); /* in a sequence */
}

static void test_controls_inside_a_sequence(void **state)
{
	(void)state;
	expect("\033[1\n;2H", "\n\033[1;2H");
	expect("\033[1\0052m", "\033[12m");
	expect("\033]0;a\nb\ac", "c");
}

static void test_titles(void **state)
{
	_cleanup_free_ char *long_title = xcalloc(420, 1);
	_cleanup_free_ char *sequence = NULL;

	(void)state;
	expect("\033]0;work\a", "\033[22;0t\033]0;work\a");
	expect("\033]2;a\033\\\033]2;\xc3\xa4 b\a", "\033[22;0t\033]2;a\033\\\033]2;\xc3\xa4 b\a");
	is_dropped("\033]2;\xe2\x80\xae"
		   "evil\a"); /* reversed */
	is_dropped("\033]2;\xff\a");
	/* To Linux's console the 9B of U+015B, and of U+26DB, is a CSI: it would switch consoles.
	 */
	is_dropped("\033]2;\xc5\x9b"
		   "12;2]\a");
	is_dropped("\033]2;\xe2\x9b\x9b"
		   "1049h\a");
	expect("\033]2;\xe2\x9c\xb3 agent\a", "\033[22;0t\033]2;\xe2\x9c\xb3 agent\a");
	expect("x\033]2;a\033[31m\033\\y", "x\033[31my");
	for (size_t i = 0; i < 419; i++)
		long_title[i] = 'x';
	sequence = text_format("\033]2;%s\a", long_title);
	is_dropped(sequence);
}

static void test_a_sequence_without_end_is_bounded(void **state)
{
	_cleanup_free_ char *text = xcalloc(100001, 1);
	struct strbuf out = STRBUF_INIT;
	struct filter filter;

	(void)state;
	for (size_t i = 0; i < 100000; i++)
		text[i] = '1';
	filter_init(&filter, false);
	filter_add(&filter, "\033[", 2, &out);
	filter_add(&filter, text, 100000, &out);
	filter_add(&filter, "mok", 3, &out);
	assert_string_equal(strbuf_text(&out), "ok");
	strbuf_done(&out);
	expect("\033P never ended\033[1mnext", "\033[1mnext");
}

static void test_another_character_set_gets_ascii(void **state)
{
	/* U+015D is C5 9D: to a terminal of Latin-1, the second byte begins an OSC. */
	static const char hidden[] = "\xc5\x9d"
				     "52;c;eA==\a";
	_cleanup_free_ char *got = pass(hidden, strlen(hidden), true);
	_cleanup_free_ char *title = pass("\033]0;\xc3\xa4\a", 7, true);

	(void)state;
	assert_string_equal(got, "?52;c;eA==\a");
	assert_string_equal(title, "");
}

/* What the filter puts out when the guest is left after @text; once. */
static void expect_at_end(const char *text, const char *undone)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct filter filter;

	filter_init(&filter, false);
	filter_add(&filter, text, strlen(text), &out);
	strbuf_truncate(&out, 0);
	filter_end(&filter, &out);
	assert_string_equal(strbuf_text(&out), undone);
	strbuf_truncate(&out, 0);
	filter_end(&filter, &out);
	assert_string_equal(strbuf_text(&out), "");
}

static void test_what_would_stay_is_undone(void **state)
{
	(void)state;
	expect_at_end("\033[?1049h\033[?1000h\033[31m\033]0;x\a\033[?25l\016\xe4",
		      REPLACED "\033[23;0t\033[?1049l\033[?1000l\033[?25h\033[m\017");
}

/* A full-screen program that was cut off has set the keys of the other screen, not of this one. */
static void test_keys_are_as_before_on_both_screens(void **state)
{
	(void)state;
	expect_at_end("\033[?1049h\033[>1u\033[=3u", "\033[?1049l"
						     "\033[=0u\033[?1049h\033[=0u\033[?1049l"
						     "\033[<99u\033[?1049h\033[<99u\033[?1049l");
}

/* Cut anywhere, the same comes out. */
static void test_pieces(void **state)
{
	static const char text[] = "a\033[38;5;1mb\xe4\xb8\xad\033]0;t\033\\c\033]52;c;x\ad\033P$"
				   "q\033\\\033[?1;25hz\033(0q\r\n";
	const size_t length = sizeof(text) - 1;
	_cleanup_free_ char *whole = pass(text, length, false);

	(void)state;
	for (size_t first = 0; first <= length; first++) {
		for (size_t second = first; second <= length; second++) {
			_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
			struct filter filter;

			filter_init(&filter, false);
			filter_add(&filter, text, first, &out);
			filter_add(&filter, text + first, second - first, &out);
			filter_add(&filter, text + second, length - second, &out);
			assert_string_equal(strbuf_text(&out), whole);
		}
	}
}

/* What an entry undoes must be what the filter would let a guest do. */
static void test_entries(void **state)
{
	(void)state;
	for (size_t i = 0; i < sequence_count; i++) {
		assert_non_null(sequences[i].shown);
		assert_non_null(sequences[i].why);
		assert_int_equal(sequences[i].verdict == SEQUENCE_REPLACED,
				 sequences[i].replacement != NULL);
		if (sequences[i].undo && !sequences[i].prepare)
			passes(sequences[i].undo);
	}
}

static void test_the_page_has_the_table(void **state)
{
	_cleanup_strbuf_ struct strbuf table = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *page = NULL;

	(void)state;
	sequences_document(&table);
	assert_int_equal(
		file_read(AT_FDCWD, SOURCE_DIR "/docs/terminal.md", 1 << 20, &page, NULL, &err), 0);
	if (!strstr(page, strbuf_text(&table)))
		fail_msg("docs/terminal.md has another table than filtertool --table");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_passes),
		cmocka_unit_test(test_what_draws_passes),
		cmocka_unit_test(test_what_reaches_beyond_does_not),
		cmocka_unit_test(test_questions_that_nobody_waits_for),
		cmocka_unit_test(test_a_hard_reset_becomes_a_soft_one),
		cmocka_unit_test(test_no_control_in_another_coding),
		cmocka_unit_test(test_controls_inside_a_sequence),
		cmocka_unit_test(test_titles),
		cmocka_unit_test(test_a_sequence_without_end_is_bounded),
		cmocka_unit_test(test_another_character_set_gets_ascii),
		cmocka_unit_test(test_what_would_stay_is_undone),
		cmocka_unit_test(test_keys_are_as_before_on_both_screens),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_the_page_has_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
