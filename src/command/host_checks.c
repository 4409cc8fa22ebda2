/*
 * What `migrant doctor` looks at beyond what set-up can put right: programs, the user, hardware,
 * security modules, space. Every finding says what does not work because of it.
 */
#include "command/host.h"

#include <fcntl.h>
#include <grp.h>
#include <libvirt/libvirt.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "box/pool.h"
#include "command/tunnel_file.h"
#include "domain/libvirt.h"

#define GIB	     (UINT64_C(1) << 30)
#define SPACE_LITTLE (UINT64_C(20) * GIB) /* a sandbox's default disk */
#define SPACE_NONE   (UINT64_C(2) * GIB)  /* a box and the overlay of its first boot */
#define GROUPS_MAX   128

struct needed_program {
	const char *name;
	const char *package; /* in Debian */
	const char *purpose; /* NULL: nothing works without it */
};

static const struct needed_program needed_programs[] = {
	{"qemu-system-x86_64", "qemu-system-x86", NULL},
	{"qemu-img", "qemu-utils", NULL},
	{"genisoimage", "genisoimage", NULL},
	{"ssh", "openssh-client", NULL},
	{"ssh-keygen", "openssh-client", NULL},
	{"dnsmasq", "dnsmasq-base", NULL},
	{"ansible-playbook", "ansible-core", "playbooks"},
	{"mmdebstrap", "mmdebstrap", "building the box debian-12"},
	{"newuidmap", "uidmap", "building the box debian-12"},
};

/* Lists what is not installed, of what is needed for something (@optional) or for everything. */
static void check_programs(bool optional, struct host_finding *found)
{
	_cleanup_strbuf_ struct strbuf missing = STRBUF_INIT, packages = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(needed_programs); i++) {
		const struct needed_program *program = &needed_programs[i];
		_cleanup_free_ char *path = process_find(program->name);

		if (path || (program->purpose != NULL) != optional)
			continue;
		strbuf_addf(&missing, "%s%s", missing.length ? ", " : "", program->name);
		if (program->purpose)
			strbuf_addf(&missing, " (for %s)", program->purpose);
		strbuf_addf(&packages, " %s", program->package);
	}
	if (!missing.length)
		return finding_set(found, HOST_OK, "all are installed");
	finding_set(found, optional ? HOST_WARNING : HOST_ERROR, "not installed: %s", missing.text);
	finding_hint(found, "Debian: apt-get install%s", packages.text);
}

static void programs_check(struct host_finding *found)
{
	check_programs(false, found);
}

static void tools_check(struct host_finding *found)
{
	check_programs(true, found);
}

static bool process_has_group(gid_t group)
{
	gid_t groups[GROUPS_MAX];
	int count = getgroups(GROUPS_MAX, groups);

	for (int i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return getegid() == group;
}

/* True when the account @name is in @group by the user database. */
static bool user_has_group(const char *name, gid_t own, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	int count = GROUPS_MAX;

	if (getgrouplist(name, own, groups, &count) < 0)
		return false;
	for (int i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return false;
}

static void user_check(struct host_finding *found)
{
	const struct passwd *user = getpwuid(getuid()); // NOLINT(concurrency-mt-unsafe): one thread
	gid_t group;

	if (!user)
		return finding_set(found, HOST_WARNING, "your user id has no account");
	if (user->pw_uid == 0)
		return finding_set(found, HOST_OK,
				   "you are root; sandboxes are for ordinary users");
	if (host_group(&group) && process_has_group(group))
		return finding_set(found, HOST_OK, "%s is in group libvirt", user->pw_name);
	if (host_group(&group) && user_has_group(user->pw_name, user->pw_gid, group)) {
		finding_set(found, HOST_ERROR, "this session began before %s joined group libvirt",
			    user->pw_name);
		return finding_hint(found, "log out and in again, or: newgrp libvirt");
	}
	finding_set(found, HOST_ERROR, "%s is not in group libvirt", user->pw_name);
	finding_hint(found, "sudo usermod -aG libvirt %s, then log out and in again",
		     user->pw_name);
}

/* The account that QEMU runs as: Debian's and Arch's name, then Fedora's. */
static const struct passwd *qemu_user(void)
{
	const struct passwd *user = getpwnam("libvirt-qemu"); // NOLINT(concurrency-mt-unsafe)

	return user ? user : getpwnam("qemu"); // NOLINT(concurrency-mt-unsafe)
}

static bool qemu_can_open(const struct stat *status)
{
	const struct passwd *user = qemu_user();

	if ((status->st_mode & 06) == 06 || !user)
		return true;
	if (status->st_uid == user->pw_uid)
		return (status->st_mode & 0600) == 0600;
	return (status->st_mode & 060) == 060 &&
	       user_has_group(user->pw_name, user->pw_gid, status->st_gid);
}

static void kvm_check(struct host_finding *found)
{
	struct stat status;

	if (stat("/dev/kvm", &status) < 0) {
		finding_set(found, HOST_WARNING,
			    "there is no /dev/kvm: guests are emulated, which is "
			    "slow, and QEMU promises no isolation then");
		return finding_hint(found,
				    "switch virtualisation on in the firmware, or load kvm_intel "
				    "or kvm_amd");
	}
	if (qemu_can_open(&status))
		return finding_set(found, HOST_OK,
				   "QEMU's user can open /dev/kvm; 'accel: auto' tries "
				   "whether a guest runs on it");
	finding_set(found, HOST_WARNING,
		    "QEMU's user cannot open /dev/kvm, which costs speed, and 4 to "
		    "9 s at every start");
	finding_hint(found, "add the user %s to the group of /dev/kvm (or: chmod 666 /dev/kvm)",
		     qemu_user()->pw_name);
}

static bool reads_as_one(const char *path)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *text = NULL;

	return file_read(AT_FDCWD, path, 16, &text, NULL, &err) == 0 && text[0] == '1';
}

static bool kernel_has_apparmor(void)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *enabled = NULL;

	return file_read(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", 16, &enabled, NULL,
			 &err) == 0 &&
	       enabled[0] == 'Y';
}

/* What libvirt labels guests with. That the kernel has a module does not mean that it does. */
static bool libvirt_uses(const char *module)
{
	_cleanup_connection_ virConnectPtr connection = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	virSecurityModel model;

	return libvirt_connect(&connection, &err) == 0 &&
	       virNodeGetSecurityModel(connection, &model) == 0 && text_equal(model.model, module);
}

static void label_check(struct host_finding *found)
{
	if (reads_as_one("/sys/fs/selinux/enforce")) {
		finding_set(found, HOST_ERROR,
			    "SELinux enforces: libvirt's policy keeps the hook from "
			    "making namespaces and rules, so no sandbox starts");
		finding_hint(found, "use a host with AppArmor or none, or: setenforce 0");
		return;
	}
	if (libvirt_uses("apparmor"))
		return finding_set(found, HOST_OK, "AppArmor confines every QEMU to its own files");
	finding_set(found, HOST_WARNING,
		    "%s: a QEMU that is taken over is held by its user and seccomp alone",
		    kernel_has_apparmor() ? "libvirt does not use the kernel's AppArmor"
					  : "no security module");
	finding_hint(found, "%s",
		     kernel_has_apparmor()
			     ? "install its profiles (Debian: apparmor), then restart libvirt"
			     : "switch AppArmor on (Debian: apparmor)");
}

static void space_check(struct host_finding *found)
{
	static const char *const places[] = {POOL_DIRECTORY, "/var/lib/libvirt/images",
					     "/var/lib/libvirt", "/var"};
	struct statvfs status;
	uint64_t free_bytes;
	size_t place = 0;

	while (place < ARRAY_SIZE(places) && statvfs(places[place], &status) < 0)
		place++;
	if (place == ARRAY_SIZE(places))
		return finding_set(found, HOST_WARNING, "cannot tell the free space of /var");
	free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
	finding_set(found,
		    free_bytes < SPACE_NONE	? HOST_ERROR
		    : free_bytes < SPACE_LITTLE ? HOST_WARNING
						: HOST_OK,
		    "%llu GiB are free at %s", (unsigned long long)(free_bytes / GIB),
		    places[place]);
	if (free_bytes < SPACE_LITTLE)
		finding_hint(found,
			     "a box takes about 1 GiB, a sandbox up to the size of its disk");
}

static void wireguard_check(struct host_finding *found)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (tunnel_check_programs(&err) == 0)
		return finding_set(found, HOST_OK, "tunnels are made by %s", tunnel_backend());
	finding_set(found, HOST_WARNING, "no tunnels: %s", err.message);
	finding_hint(found, "%s", err.hint);
}

const struct host_item host_checks[] = {
	{"programs", programs_check, NULL, NULL},
	{"tools", tools_check, NULL, NULL},
	{"user", user_check, NULL, NULL},
	{"kvm", kvm_check, NULL, NULL},
	{"security module", label_check, NULL, NULL},
	{"nftables", host_nftables_check, NULL, NULL},
	{"forwarding", host_forward_check, NULL, NULL},
	{"disk space", space_check, NULL, NULL},
	{"wireguard", wireguard_check, NULL, NULL},
	{0},
};
