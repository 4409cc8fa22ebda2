/*
 * The trial runs through libvirt, so that QEMU has the user, the confinement and the access to
 * /dev/kvm that a sandbox's QEMU will have. Its guest is the sandbox's own kernel without a disk,
 * which says its first words within a second where KVM works; where it does not, QEMU refuses to
 * start, dies, or hangs in silence.
 */
#include "domain/accel.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <sys/file.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/text.h"
#include "domain/domain.h"
#include "domain/libvirt.h"
#include "domain/streams.h"
#include "domain/wait.h"

#define TRIAL_SECONDS 10
#define CACHE_MAX     4096
#define BOOT_ID	      "/proc/sys/kernel/random/boot_id"

static void cleanup_json(json_object **object)
{
	json_object_put(*object);
}
#define _cleanup_json_	 _cleanup_(cleanup_json)
#define _cleanup_answer_ _cleanup_(accel_answer_done)

void accel_answer_done(struct accel_answer *answer)
{
	free(answer->boot_id);
	free(answer->kernel);
	free(answer->reason);
	*answer = (struct accel_answer){0};
}

char *accel_answer_format(const struct accel_answer *answer)
{
	_cleanup_json_ json_object *root = json_object_new_object();

	json_object_object_add(root, "boot_id", json_object_new_string(answer->boot_id));
	json_object_object_add(root, "kernel", json_object_new_string(answer->kernel));
	json_object_object_add(root, "qemu", json_object_new_int64((int64_t)answer->qemu));
	json_object_object_add(root, "kvm", json_object_new_boolean(answer->works));
	json_object_object_add(root, "reason",
			       json_object_new_string(answer->reason ? answer->reason : ""));
	return text_format("%s\n", json_object_to_json_string(root));
}

static char *get_text(json_object *root, const char *name)
{
	json_object *value;

	if (!json_object_object_get_ex(root, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return text_dup(json_object_get_string(value));
}

int accel_answer_parse(const char *text, struct accel_answer *ret_answer)
{
	_cleanup_json_ json_object *root = json_tokener_parse(text);
	_cleanup_answer_ struct accel_answer answer = {0};
	json_object *qemu, *works;

	if (!root || !json_object_is_type(root, json_type_object) ||
	    !json_object_object_get_ex(root, "qemu", &qemu) ||
	    !json_object_is_type(qemu, json_type_int) ||
	    !json_object_object_get_ex(root, "kvm", &works) ||
	    !json_object_is_type(works, json_type_boolean))
		return -1;
	answer.boot_id = get_text(root, "boot_id");
	answer.kernel = get_text(root, "kernel");
	answer.reason = get_text(root, "reason");
	answer.qemu = (unsigned long)json_object_get_int64(qemu);
	answer.works = json_object_get_boolean(works);
	if (!answer.boot_id || !answer.kernel || !answer.reason)
		return -1;
	*ret_answer = answer;
	answer = (struct accel_answer){0};
	return 0;
}

/* The cache's directory, or NULL where the user has no home. */
static char *cache_directory(void)
{
	const char *cache = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");

	if (cache && *cache == '/')
		return text_format("%s/migrant", cache);
	return home && *home == '/' ? text_format("%s/.cache/migrant", home) : NULL;
}

/* What an answer depends on, without the answer. */
static int circumstances(virConnectPtr connection, struct accel_answer *ret_answer,
			 struct error *err)
{
	_cleanup_free_ char *boot_id = NULL;
	struct utsname host;
	unsigned long qemu = 0;

	if (file_read(AT_FDCWD, BOOT_ID, CACHE_MAX, &boot_id, NULL, err) < 0)
		return -1;
	if (uname(&host) < 0)
		return error_errno(err, EX_OSERR, "cannot tell the kernel's release");
	if (virConnectGetVersion(connection, &qemu) < 0)
		return libvirt_error(err, EX_UNAVAILABLE, "cannot tell QEMU's version");
	boot_id[strcspn(boot_id, "\n")] = '\0';
	ret_answer->boot_id = take_ptr(boot_id);
	ret_answer->kernel = text_dup(host.release);
	ret_answer->qemu = qemu;
	return 0;
}

/* True when an earlier answer under the same circumstances was found; it is taken over. */
static bool recall(struct accel_answer *answer)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_answer_ struct accel_answer cached = {0};
	_cleanup_free_ char *directory = cache_directory();
	_cleanup_free_ char *path = directory ? text_format("%s/accel.json", directory) : NULL;
	_cleanup_free_ char *text = NULL;

	if (!path || file_read(AT_FDCWD, path, CACHE_MAX, &text, NULL, &ignored) < 0 ||
	    accel_answer_parse(text, &cached) < 0)
		return false;
	if (!text_equal(cached.boot_id, answer->boot_id) ||
	    !text_equal(cached.kernel, answer->kernel) || cached.qemu != answer->qemu)
		return false;
	answer->works = cached.works;
	text_replace(&answer->reason, cached.reason);
	return true;
}

/* A cache that cannot be written costs the next `up` another trial, and nothing else. */
static void remember(const struct accel_answer *answer)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_free_ char *directory = cache_directory();
	_cleanup_free_ char *path = directory ? text_format("%s/accel.json", directory) : NULL;
	_cleanup_free_ char *text = accel_answer_format(answer);

	if (!path || file_make_dirs(directory, 0700, &ignored) < 0)
		return;
	if (file_replace(AT_FDCWD, path, text, strlen(text), 0600, &ignored) < 0)
		log_warning("%s", ignored.message);
}

struct trial {
	struct tail console;
	struct watch watch;
	const char *awaited;
};

/* The kernel's version line; of a BIOS any line with letters in it is proof. */
static bool has_spoken(struct trial *trial)
{
	_cleanup_free_ char *text = tail_lines(&trial->console, SIZE_MAX);

	return strstr(text, trial->awaited) != NULL;
}

static bool trial_is_over(void *data)
{
	struct trial *trial = data;

	return trial->watch.stopped || has_spoken(trial);
}

/* Runs the paused trial guest. Success with *ret_reason NULL when it spoke. */
static int watch_trial(struct trial *trial, virDomainPtr domain, char **ret_reason,
		       struct error *err)
{
	_cleanup_reader_ struct reader reader = {.add = reader_to_tail, .sink = &trial->console};

	if (reader_open(&reader, domain, NULL, err) < 0 || domain_resume(domain, err) < 0)
		return -1;
	if (wait_until(trial->watch.connection, trial_is_over, trial, TRIAL_SECONDS, err) < 0) {
		if (err->code != EX_TEMPFAIL)
			return -1;
		error_done(err);
		*ret_reason = text_format("a guest on KVM says nothing within %d s", TRIAL_SECONDS);
		return 0;
	}
	if (!has_spoken(trial))
		*ret_reason = text_format("QEMU ended when a guest ran on KVM (%s)",
					  watch_stop_reason(&trial->watch));
	return 0;
}

static int run_trial(virDomainPtr domain, const char *awaited, char **ret_reason, struct error *err)
{
	struct trial trial = {.watch = WATCH_INIT, .awaited = awaited};
	int result = watch_begin(&trial.watch, domain, err);

	if (result == 0)
		result = watch_trial(&trial, domain, ret_reason, err);
	watch_end(&trial.watch);
	virDomainDestroy(domain);
	return result;
}

/*
 * Tries it. libvirt ends the domain by itself when this process dies. Not ours by its name: the
 * hook has no part in it.
 */
static int try_kvm(virConnectPtr connection, const char *kernel, struct accel_answer *answer,
		   struct error *err)
{
	_cleanup_free_ char *name = text_format("probe-kvm-%u", getuid());
	_cleanup_free_ char *xml = NULL;
	virDomainPtr domain;
	int result;

	if (domain_probe_xml(name, kernel, &xml, err) < 0)
		return -1;
	domain = virDomainCreateXML(connection, xml,
				    VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY);
	if (!domain) {
		_cleanup_error_ struct error reason = ERROR_INIT;

		libvirt_error(&reason, EX_UNAVAILABLE, "QEMU does not start with KVM");
		if (virConnectIsAlive(connection) != 1) {
			error_move(err, &reason);
			return -1;
		}
		reason.message[strcspn(reason.message, "\n")] = '\0'; /* QEMU's first line */
		text_replace(&answer->reason, reason.message);
		return 0;
	}
	result = run_trial(domain, kernel ? "Linux version" : "BIOS", &answer->reason, err);
	virDomainFree(domain);
	answer->works = !answer->reason;
	return result;
}

/* libvirt lists KVM among what it can do when QEMU could open /dev/kvm. */
static bool libvirt_has_kvm(virConnectPtr connection)
{
	_cleanup_free_ char *capabilities =
		virConnectGetDomainCapabilities(connection, NULL, "x86_64", "q35", "kvm", 0);

	return capabilities != NULL;
}

/*
 * Two who try at once would get into each other's way; the second finds the answer of the first.
 * The descriptor holds the lock; -1: nothing to lock, as where the user has no home.
 */
static int lock_cache(void)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_free_ char *directory = cache_directory();
	int fd;

	if (!directory || file_make_dirs(directory, 0700, &ignored) < 0)
		return -1;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && flock(fd, LOCK_EX) < 0 && errno == EINTR && !interrupt_pending())
		;
	return fd;
}

/* @again: an earlier "it does not work" is tried anew, for somebody asked for KVM by name. */
static int find_out(virConnectPtr connection, const char *kernel, bool again,
		    struct accel_answer *answer, struct error *err)
{
	_cleanup_close_ int lock = -1;

	if (!libvirt_has_kvm(connection)) {
		answer->reason = text_dup("this machine offers no KVM to libvirt (no /dev/kvm, "
					  "or QEMU's user may not open it)");
		return 0;
	}
	if (circumstances(connection, answer, err) < 0)
		return -1;
	lock = lock_cache();
	if (recall(answer) && (answer->works || !again))
		return 0;
	answer->works = false;
	text_replace(&answer->reason, NULL);
	if (try_kvm(connection, kernel, answer, err) < 0)
		return -1;
	remember(answer);
	return 0;
}

int accel_choose(virConnectPtr connection, enum config_accel wanted, const char *kernel,
		 enum domain_accel *ret_accel, struct error *err)
{
	_cleanup_answer_ struct accel_answer answer = {0};

	if (wanted == ACCEL_TCG) {
		*ret_accel = DOMAIN_TCG;
		return 0;
	}
	if (find_out(connection, kernel, wanted == ACCEL_KVM, &answer, err) < 0)
		return error_prefix(err, "cannot tell whether KVM works");
	if (!answer.works && wanted == ACCEL_KVM) {
		error_set(err, EX_UNAVAILABLE, "KVM does not work here: %s", answer.reason);
		return error_hint(err, "'accel: auto' uses KVM where it works and is slow "
				       "elsewhere");
	}
	if (!answer.works)
		log_info("no KVM: %s", answer.reason);
	*ret_accel = answer.works ? DOMAIN_KVM : DOMAIN_TCG;
	return 0;
}
