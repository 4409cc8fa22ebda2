/* What a share may be called, and how it travels in the metadata. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libxml/parser.h>

#include "base/strbuf.h"
#include "base/text.h"
#include "hook/metadata_share.h"

#define GIB (UINT64_C(1) << 30)

static struct share sample(void)
{
	return (struct share){
		.host = text_dup("work/a b<&\"'>"),
		.guest = text_dup("/home/migrant/work"),
		.size = 10 * GIB,
		.isolate = true,
		.tag = "share0",
	};
}

static const char sample_text[] =
	"<migrant:share tag=\"share0\" host=\"work/a b&lt;&amp;&quot;'&gt;\" "
	"guest=\"/home/migrant/work\" size=\"10737418240\" mode=\"rw\" isolate=\"yes\" "
	"reserve=\"no\"/>";

static char *written(const struct share *share)
{
	xmlBufferPtr buffer = xmlBufferCreate();
	xmlTextWriterPtr writer = xmlNewTextWriterMemory(buffer, 0);
	char *text;

	metadata_write_share(share, writer);
	xmlFreeTextWriter(writer);
	text = text_dup((const char *)buffer->content);
	xmlBufferFree(buffer);
	return text;
}

static int read_back(const char *element, struct share *ret_share, struct error *err)
{
	_cleanup_free_ char *text = text_format("<d xmlns:migrant=\"x\">%s</d>", element);
	xmlDocPtr document = xmlReadMemory(text, (int)strlen(text), NULL, NULL,
					   XML_PARSE_NONET | XML_PARSE_NOERROR);
	int result;

	assert_non_null(document);
	result = metadata_read_share(xmlDocGetRootElement(document)->children, ret_share, err);
	xmlFreeDoc(document);
	return result;
}

static void share_comes_back(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_(share_done) struct share share = sample();
	_cleanup_(share_done) struct share back = {0};
	_cleanup_free_ char *text = written(&share);

	(void)state;
	assert_string_equal(text, sample_text);
	assert_int_equal(share_validate(&share, 1, &err), 0);
	assert_int_equal(read_back(text, &back, &err), 0);
	assert_string_equal(back.host, share.host);
	assert_string_equal(back.guest, share.guest);
	assert_string_equal(back.tag, "share0");
	assert_true(back.size == share.size && back.isolate && !back.read_only && !back.reserve);
}

static void other_elements_are_refused(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{"tag=\"share0\"", ""},
		{"tag=\"share0\"", "migrant:tag=\"share0\""},
		{"tag=\"share0\"", "tag=\"share000000000000000\""},
		{"tag=\"share0\"", "tag=\"share0\" more=\"1\""},
		{"10737418240", "10G"},
		{"10737418240", "-1"},
		{"10737418240", "17592186044417"},
		{"mode=\"rw\"", "mode=\"wr\""},
		{"mode=\"rw\"", "mode=\"\""},
		{"isolate=\"yes\"", "isolate=\"maybe\""},
		{"reserve=\"no\"/>", "reserve=\"no\">text</migrant:share>"},
		{"reserve=\"no\"/>", "reserve=\"no\"><x/></migrant:share>"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_(share_done) struct share back = {0};
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
		const char *at = strstr(sample_text, cases[i].from);

		assert_non_null(at);
		strbuf_add(&text, sample_text, (size_t)(at - sample_text));
		strbuf_addf(&text, "%s%s", cases[i].to, at + strlen(cases[i].from));
		if (read_back(strbuf_text(&text), &back, &err) == 0)
			fail_msg("accepted: %s", strbuf_text(&text));
		assert_int_equal(err.code, EX_DATAERR);
	}
}

static void paths_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const hosts[] = {"",	      "/etc", "..",    ".",   "a/..",
					    "a/../b", "a//b", "a/./b", "a/",  "./a",
					    "../a",   "a\nb", "a\x7f", "\xff"};
	static const char *const guests[] = {"", "/", "srv", "/a/", "/a/..", "//a", "/a\x1b[m"};
	_cleanup_free_ char *long_name = text_format("%0256d", 0);

	(void)state;
	for (size_t i = 0; i <= ARRAY_SIZE(hosts); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_(share_done) struct share share = sample();

		text_replace(&share.host, i < ARRAY_SIZE(hosts) ? hosts[i] : long_name);
		if (share_validate(&share, 1, &err) == 0)
			fail_msg("accepted: %s", share.host);
	}
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_(share_done) struct share share = sample();

		text_replace(&share.guest, guests[i]);
		if (share_validate(&share, 1, &err) == 0)
			fail_msg("accepted: %s", share.guest);
	}
}

static void names_that_only_look_odd_are_fine(void **state)
{
	static const char *const hosts[] = {"a",   "..a", "...",   "-rf",
					    "a b", ".a",  "a/b/c", "\xc3\xa4/\xe2\x82\xac"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_(share_done) struct share share = sample();

		text_replace(&share.host, hosts[i]);
		if (share_validate(&share, 1, &err) < 0)
			fail_msg("refused: %s: %s", hosts[i], err.message);
	}
}

static int validate_pair(const char *host0, const char *guest0, const char *host1,
			 const char *guest1)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct share shares[] = {sample(), sample()};
	int result;

	text_replace(&shares[0].host, host0);
	text_replace(&shares[0].guest, guest0);
	text_replace(&shares[1].host, host1);
	text_replace(&shares[1].guest, guest1);
	share_tag(1, shares[1].tag);
	result = share_validate(shares, 2, &err);
	share_done(&shares[0]);
	share_done(&shares[1]);
	return result;
}

static void overlaps_are_refused(void **state)
{
	(void)state;
	assert_int_equal(validate_pair("a", "/a", "b", "/b"), 0);
	assert_int_equal(validate_pair("a", "/a", "ab", "/ab"), 0);
	assert_int_equal(validate_pair("a", "/a", "a", "/b"), -1);
	assert_int_equal(validate_pair("a", "/a", "a/b", "/b"), -1);
	assert_int_equal(validate_pair("a", "/b/c", "b", "/b"), -1);
}

static void sizes_and_marks_have_limits(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_(share_done) struct share share = sample();

	(void)state;
	share.size = SHARE_SIZE_MIN - 1;
	assert_int_equal(share_validate(&share, 1, &err), -1);
	share.size = SHARE_SIZE_MAX + 1;
	assert_int_equal(share_validate(&share, 1, &err), -1);
	share.size = SHARE_SIZE_MIN;
	assert_int_equal(share_validate(&share, 1, &err), 0);
	share.reserve = true;
	assert_int_equal(share_validate(&share, 1, &err), 0);
	share.isolate = false;
	assert_int_equal(share_validate(&share, 1, &err), -1);
	share.reserve = false;
	share_tag(1, share.tag);
	assert_int_equal(share_validate(&share, 1, &err), -1);
	assert_int_equal(share_validate(&share, SHARE_MAX + 1, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(share_comes_back),
		cmocka_unit_test(other_elements_are_refused),
		cmocka_unit_test(paths_that_lead_elsewhere_are_refused),
		cmocka_unit_test(names_that_only_look_odd_are_fine),
		cmocka_unit_test(overlaps_are_refused),
		cmocka_unit_test(sizes_and_marks_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
