/*
 * How a guest comes to its shares: a script for the guest's root, the same in its first boot and
 * later. Only what it is given differs, and that is quoted twice, for the shell and for fstab(5).
 */
#include "seed/embedded.h"
#include "seed/script.h"
#include "seed/seed.h"

/* As fstab(5) and /proc/mounts write a path: white space and '\' in octal. */
static char *fstab_path(const char *path)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	for (const char *at = path; *at; at++) {
		if (strchr(" \t\n\\", *at))
			strbuf_addf(&out, "\\%03o", (unsigned int)*at);
		else
			strbuf_add_char(&out, *at);
	}
	return strbuf_take(&out);
}

static char *fstab_entry(const struct share *share)
{
	_cleanup_free_ char *place = fstab_path(share->guest);

	return text_format("%s %s virtiofs %s,nosuid,nodev,nofail 0 0", share->tag, place,
			   share->read_only ? "ro" : "rw");
}

static void add_call(struct strbuf *out, const char *function, const struct share *share)
{
	_cleanup_free_ char *place = fstab_path(share->guest);
	_cleanup_free_ char *quoted_path = text_shell_quote(share->guest);
	_cleanup_free_ char *quoted_place = text_shell_quote(place);

	strbuf_addf(out, "%s %s %s %s\n", function, share->tag, quoted_path, quoted_place);
}

char *seed_share_script(const struct share *shares, size_t count, const char *user)
{
	_cleanup_strbuf_ struct strbuf entries = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *entry = fstab_entry(&shares[i]);

		strbuf_addf(&entries, "%s%s", i ? "\n" : "", entry);
	}
	script_set(&out, "user", user);
	strbuf_addf(&out, "owner=%d\n", SHARE_GUEST_ID);
	script_set(&out, "entries", strbuf_text(&entries));
	strbuf_add_text(&out, seed_shares);
	for (size_t i = 0; i < count; i++)
		add_call(&out, "mount_share", &shares[i]);
	return strbuf_take(&out);
}

char *seed_share_release_script(const struct share *shares, size_t count)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	strbuf_add_text(&out, seed_shares_release);
	for (size_t i = 0; i < count; i++)
		add_call(&out, "release_share", &shares[i]);
	strbuf_add_text(&out, "release_all\n");
	return strbuf_take(&out);
}
