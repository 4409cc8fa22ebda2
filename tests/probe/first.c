/*
 * The first process of a guest whose probe shall run before anything else of it: it loads the
 * modules of the NIC, gives it its address, starts the probe and becomes the box's own /init.
 *
 * It lies in a cpio archive in front of the box's initrd, with
 *
 *   /first/init     this program; on the kernel's command line: rdinit=/first/init
 *   /first/modules  of the NIC, loaded in the order of their names
 *   /first/probe    probe.c
 *   /first/targets  what it tries, one a line
 *
 * and finds `guest=ADDRESS gateway=ADDRESS` on the command line, which the kernel hands it as its
 * environment. The probe is a process of the initramfs for ever. Its name begins with '@', so that
 * systemd leaves it alone until the machine is off; its output is a file without a name, to be read
 * at /proc/PID/fd/1.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/ipv6_route.h>
#include <linux/route.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/text.h"

#define NIC	"eth0"
#define MODULES "/first/modules"

/* What fails is said on the console; the test sees what is missing. */
static void check(int result, const char *what)
{
	if (result < 0)
		fprintf(stderr, "first: %s: %s\n", what, strerror(errno));
}

static void load_module(const char *name)
{
	_cleanup_free_ char *path = text_format("%s/%s", MODULES, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	check(fd, path);
	check((int)syscall(SYS_finit_module, fd, "", 0), path);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void load_modules(void)
{
	struct dirent **entries = NULL;
	int count = scandir(MODULES, &entries, is_visible, alphasort);

	check(count, MODULES);
	for (int i = 0; i < count; i++) {
		load_module(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static struct sockaddr address_of(const char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct sockaddr any;

	if (inet_pton(AF_INET, text ? text : "", &address.sin_addr) != 1)
		fprintf(stderr, "first: no address '%s'\n", text ? text : "");
	memcpy(&any, &address, sizeof(any));
	return any;
}

static void set_address(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = NIC};
	struct rtentry route = {.rt_dst.sa_family = AF_INET,
				.rt_genmask.sa_family = AF_INET,
				.rt_gateway = address_of(getenv("gateway")),
				.rt_flags = RTF_UP | RTF_GATEWAY};

	request.ifr_addr = address_of(getenv("guest"));
	check(ioctl(fd, SIOCSIFADDR, &request), "address");
	request.ifr_netmask = address_of("255.255.255.252");
	check(ioctl(fd, SIOCSIFNETMASK, &request), "netmask");
	check(ioctl(fd, SIOCGIFFLAGS, &request), "flags");
	request.ifr_flags |= IFF_UP;
	check(ioctl(fd, SIOCSIFFLAGS, &request), "up");
	check(ioctl(fd, SIOCADDRT, &route), "route");
}

/* Everything of IPv6 is on the wire: the guest asks for each address's neighbour there. */
static void set_route6(void)
{
	_cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = NIC};
	struct in6_rtmsg route = {.rtmsg_flags = RTF_UP, .rtmsg_metric = 1};

	check(ioctl(fd, SIOCGIFINDEX, &request), "index");
	route.rtmsg_ifindex = request.ifr_ifindex;
	check(ioctl(fd, SIOCADDRT, &route), "IPv6 route");
}

static void start_probe(void)
{
	int output;

	if (fork() != 0)
		return;
	setsid();
	output = memfd_create("answers", 0);
	check(dup2(output, STDOUT_FILENO), "answers");
	execl("/first/probe", "@probe", "-n", "0", "-p", "300", "-f", "/first/targets", NULL);
	check(-1, "probe");
	_exit(1);
}

int main(int argc, char **argv)
{
	(void)argc;
	load_modules();
	set_address();
	set_route6();
	start_probe();
	execv("/init", argv);
	check(-1, "/init");
	return 1;
}
