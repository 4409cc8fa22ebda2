/* The Migrantfile: what is refused and where, what is accepted and as what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/yaml.h"

#define DIRECTORY "/home/user/My Project"

static int parse(const char *text, struct config *ret_config, struct error *err)
{
	return config_parse(DIRECTORY, "Migrantfile", text, strlen(text), ret_config, err);
}

/* Place "LINE:COLUMN" and the whole message of each bad document. */
static const struct {
	const char *text, *place, *message;
} bad[] = {
	/* YAML */
	{"name: \"claude\nbox: debian-12\n", "1:7", "this quote is never closed"},
	{"name: 'claude\n", "1:7", "this quote is never closed"},
	{"name: \"claude\nbox: \"debian-12\"\n", "1:7",
	 "the quoted text that begins here does not end on its line"},
	{"network: {isolate: true\nmemory: 2G\n", "1:10", "this bracket is never closed"},
	{"network:\n  ports: [\"8080:80\",\n  dns: [9.9.9.9]\n", "2:10",
	 "this bracket is never closed"},
	{"network: {ports: [\"8080:80\"}\n", "1:18", "this bracket is never closed"},
	{"tunnel: [3000 # the [first\n", "1:9", "this bracket is never closed"},
	{"box: x\nname claude\ncpus: 2\n", "2:1", "this line is no 'key: value'"},
	{"\tname: x\n", "1:1", "a tab; YAML is indented with blanks"},
	{"network:\n\tisolate: true\n", "2:1", "a tab; YAML is indented with blanks"},
	{"name: @x\n", "1:7", "a value cannot begin with this character"},
	{"name: a: b\n", "1:8", "a ': ' is not allowed here"},
	{"name: ab\nnetwork:\n  isolate: true\n   ipv6: off\n", "4:8",
	 "a ': ' is not allowed here"},
	{"network:\n    isolate: true\n  ipv6: off\n", "3:3", "expected 'key: value' here"},
	{"name: \"\\q\"\n", "1:8", "unknown escape after the backslash"},
	{"name: !!str x\n", "1:7", "tags are not supported"},
	{"name: ! x\n", "1:7", "tags are not supported"},
	{"shares: !foo []\n", "1:9", "tags are not supported"},
	{"name: &a x\nbox: *a\n", "1:7", "anchors are not supported"},
	{"network: &a {isolate: true}\n", "1:10", "anchors are not supported"},
	{"name: *a\n", "1:7", "aliases are not supported"},
	{"*a : b\n", "1:1", "aliases are not supported"},
	{"<<: {name: a}\n", "1:1", "merge keys are not supported"},
	{"{a: b}: c\n", "1:1", "a key is a word, not a mapping"},
	{"? [a]\n: c\n", "1:3", "a key is a word, not a list"},
	{"~: c\n", "1:1", "a key is a word, not nothing"},
	{"\"a\\nb\": c\n", "1:1", "a key is a word on one line"},
	{"%YAML 1.1\n---\nname: a\n", "1:1", "YAML directives are not supported"},
	{"---\nname: a\n---\nname: b\n", "3:1", "a second document; one file holds one"},
	{"name: a\n...\nname: b\n", "3:1", "expected the end of the file here"},
	{"  name: a\nbox: b\n", "2:1", "expected the end of the file here"},
	{"- a\n", "1:1", "a Migrantfile holds 'key: value' lines, not a list"},
	{"claude\n", "1:1", "a Migrantfile holds 'key: value' lines, not a text"},
	{"x: [[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]\n", "1:19",
	 "nested deeper than 16 levels"},
	{"name: a\nbox: b\nname: c\n", "3:1", "duplicate key 'name', first given in line 1"},
	{"name: a\n\"name\": c\n", "2:1", "duplicate key 'name', first given in line 1"},
	{"name: caf\xe9\n", "1:10", "not UTF-8: byte 0xe9"},
	{"name: a\x07\n", "1:8", "character U+0007 is not allowed"},
	{"# \xc2\x9b\n", "1:3", "character U+009B is not allowed"},
	{"box: a\r# evil\n", "1:7", "character U+000D is not allowed"},
	{"# a \xe2\x80\xae b\n", "1:5", "character U+202E is not allowed"},
	{"box: \"a\\0b\"\n", "1:6", "this text holds a character that is not allowed"},
	{"box: \"a\\eb\"\n", "1:6", "this text holds a character that is not allowed"},
	/* keys */
	{"cpu: 2\n", "1:1", "unknown key 'cpu'"},
	{"network: {isolated: true}\n", "1:11", "unknown key 'network.isolated'"},
	{"no: 1\n", "1:1", "unknown key 'no'"},
	{"kernel: {initrd: a}\n", "1:9", "'kernel.image' is missing"},
	{"shares:\n  - host: a\n", "2:5", "'shares.guest' is missing"},
	{"shares:\n  - host: a\n    guest: /a\n    cap: 1G\n", "4:5", "unknown key 'shares.cap'"},
	/* types */
	{"name: [a]\n", "1:7", "'name' takes a text, not a list"},
	{"name:\n", "1:6", "'name' has no value"},
	{"name: ~\n", "1:7", "'name' has no value"},
	{"shares: null\n", "1:9", "'shares' has no value"},
	{"network: true\n", "1:10", "'network' takes a mapping, not a text"},
	{"network: {dns: 9.9.9.9}\n", "1:16", "'network.dns' takes a list, not a text"},
	{"network: {dns: [[9.9.9.9]]}\n", "1:17", "an item of 'network.dns' is a text, not a list"},
	{"network: {dns: [,]}\n", "1:17", "did not find expected node content"},
	{"shares: [a]\n", "1:10", "an item of 'shares' is a mapping, not a text"},
	/* values */
	{"name: Claude\n", "1:7",
	 "'name' takes lower-case letters and digits, '-' inside, at most 31 characters, not "
	 "'Claude'"},
	{"name: ../x\n", "1:7",
	 "'name' takes lower-case letters and digits, '-' inside, at most 31 characters, not "
	 "'../x'"},
	{"name: -x\n", "1:7",
	 "'name' takes lower-case letters and digits, '-' inside, at most 31 characters, not "
	 "'-x'"},
	{"name: \"a\\nb\"\n", "1:7",
	 "'name' takes lower-case letters and digits, '-' inside, at most 31 characters, not "
	 "'a\nb'"},
	{"name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "1:7",
	 "'name' is 32 bytes long; it has 1 to 31"},
	{"name: \"\"\n", "1:7", "'name' is 0 bytes long; it has 1 to 31"},
	{"cpus: 0\n", "1:7", "'cpus' takes a number from 1 to 256, not '0'"},
	{"cpus: 02\n", "1:7", "'cpus' takes a number from 1 to 256, not '02'"},
	{"cpus: 0x2\n", "1:7", "'cpus' takes a number from 1 to 256, not '0x2'"},
	{"cpus: 1e1\n", "1:7", "'cpus' takes a number from 1 to 256, not '1e1'"},
	{"cpus: +2\n", "1:7", "'cpus' takes a number from 1 to 256, not '+2'"},
	{"cpus: 2.0\n", "1:7", "'cpus' takes a number from 1 to 256, not '2.0'"},
	{"cpus: 18446744073709551618\n", "1:7",
	 "'cpus' takes a number from 1 to 256, not '18446744073709551618'"},
	{"memory: 512\n", "1:9", "'memory' takes a size from 64M to 16T, not '512'"},
	{"memory: 2g\n", "1:9", "'memory' takes a size from 64M to 16T, not '2g'"},
	{"memory: 65537K\n", "1:9", "'memory' takes whole MiB, which '65537K' is not"},
	{"disk: 99999999999T\n", "1:7", "'disk' takes a size from 64M to 64T, not '99999999999T'"},
	{"user: root\n", "1:7",
	 "'user' takes a lower-case letter or '_', then letters, digits, '-' or '_', not a system "
	 "user, not 'root'"},
	{"nested: yes\n", "1:9", "'nested' takes true or false, not 'yes'"},
	{"nested: True\n", "1:9", "'nested' takes true or false, not 'True'"},
	{"accel: kmv\n", "1:8", "'accel' takes auto, kvm or tcg, not 'kmv'"},
	{"ttl: 8\n", "1:6", "'ttl' takes a time like 8h or 1h30m, or none, not '8'"},
	{"ttl: 1s\n", "1:6", "'ttl' is from 60 seconds to 365 days"},
	{"wireguard: no\n", "1:12", "'wireguard' takes a path or none, not 'no'"},
	{"box: Debian\n", "1:6",
	 "'box' takes a box's name or the path of a description (.yaml), not 'Debian'"},
	{"kernel: {image: a, cmdline: \"a\\nb\"}\n", "1:29",
	 "'kernel.cmdline' takes printable ASCII characters, not 'a\nb'"},
	{"boot: uefi\nkernel: {image: a}\n", "1:7",
	 "a kernel is given in line 2, which 'uefi' does not use"},
	{"provision: [{ansible: a, shell: b}]\n", "1:13",
	 "an item of 'provision' has one key, ansible or shell"},
	{"provision: [{ansble: a}]\n", "1:14", "unknown key 'provision.ansble'"},
	{"tunnel: [3000, 70000]\n", "1:16", "a port is a number from 1 to 65535, not '70000'"},
	{"tunnel: [3000, 3000]\n", "1:16", "'tunnel' names 3000 twice"},
	/* shares */
	{"shares: [{host: ../x, guest: /x}]\n", "1:17", "a share's path has no '..'"},
	{"shares: [{host: a/../b, guest: /x}]\n", "1:17", "a share's path has no '..'"},
	{"shares: [{host: /etc, guest: /x}]\n", "1:17",
	 "a share lies inside the project's directory, so its path is relative"},
	{"shares: [{host: ./, guest: /x}]\n", "1:17",
	 "the project's directory itself cannot be a share: it holds the Migrantfile"},
	{"shares: [{host: hooks, guest: /x}]\n", "1:17",
	 "the share 'hooks' would hold the lifecycle hooks, 'hooks'"},
	{"hooks: a/b\nshares: [{host: a, guest: /x}]\n", "2:17",
	 "the share 'a' would hold the lifecycle hooks, 'a/b'"},
	{"provision: [{ansible: w/site.yml}]\nshares: [{host: ./w/, guest: /x}]\n", "2:17",
	 "the share 'w' would hold a provisioner, 'w/site.yml'"},
	{"provision: [{ansible: \"" DIRECTORY "/w/a.yml\"}]\nshares: [{host: w, guest: /x}]\n",
	 "2:17", "the share 'w' would hold a provisioner, '" DIRECTORY "/w/a.yml'"},
	{"shares: [{host: a, guest: x}]\n", "1:27",
	 "'shares.guest' takes an absolute path without '.' or '..', outside the system's own "
	 "directories, not 'x'"},
	{"shares: [{host: a, guest: /a/../etc}]\n", "1:27",
	 "'shares.guest' takes an absolute path without '.' or '..', outside the system's own "
	 "directories, not '/a/../etc'"},
	{"shares: [{host: a, guest: /proc/x}]\n", "1:27",
	 "'shares.guest' takes an absolute path without '.' or '..', outside the system's own "
	 "directories, not '/proc/x'"},
	{"shares: [{host: a, guest: /home/migrant}]\n", "1:27",
	 "a share here would hide the user's SSH keys in the guest"},
	{"shares:\n  - {host: a, guest: /x}\n  - {host: a/b, guest: /y}\n", "3:12",
	 "the share 'a/b' overlaps 'a' in line 2"},
	{"shares:\n  - {host: a, guest: /x/y}\n  - {host: b, guest: /x}\n", "3:22",
	 "'/x' overlaps '/x/y' in line 2"},
	{"shares: [{host: a, guest: /x, size: 1M}]\n", "1:37",
	 "'shares.size' takes a size from 16M to 16T, not '1M'"},
	/* entries: the place is that of the word */
	{"network: {allow: [hots tcp/1]}\n", "1:19", "'hots' is none of host, lan, forward"},
	{"network: {allow: [\"\"]}\n", "1:20", "an empty rule"},
	{"network: {allow: [host]}\n", "1:23", "PROTO/PORT is missing"},
	{"network: {allow: [host 8080]}\n", "1:24", "'8080' is no PROTO/PORT"},
	{"network: {allow: [host tcp/0]}\n", "1:28", "'0' is no port"},
	{"network: {allow: [host icmp/1]}\n", "1:24", "'icmp/1' is no PROTO/PORT"},
	{"network: {allow: [host udp/53]}\n", "1:28",
	 "port 53 is the gateway's own (DHCP and DNS)"},
	{"network: {allow: [\"host tcp/1 now\"]}\n", "1:31", "'now' is too much here"},
	{"network: {allow: [lan nas]}\n", "1:23", "'nas' is no address"},
	{"network: {allow: [lan 192.168.1.0/24]}\n", "1:23", "192.168.1.0/24 is a network"},
	{"network: {allow: [lan 127.0.0.1 tcp/80]}\n", "1:23",
	 "127.0.0.1 is the host's own loopback"},
	{"network: {allow: [lan 169.254.169.254]}\n", "1:23",
	 "169.254.169.254 is a cloud's metadata service"},
	{"network: {allow: [lan 255.255.255.255]}\n", "1:23",
	 "255.255.255.255 is a reserved address"},
	{"network: {allow: [lan 010.0.0.1]}\n", "1:23", "'010.0.0.1' is no address"},
	{"network: {allow: ['lan fd00::1']}\n", "1:19",
	 "an IPv6 address, but the guest has no IPv6"},
	{"network: {allow: [forward tcp/9 10.0.0.1:9]}\n", "1:33", "expected 'to' here"},
	{"network: {allow: [forward tcp/9 to 10.0.0.1]}\n", "1:36",
	 "'10.0.0.1' is no ADDRESS:PORT"},
	{"network: {allow: ['forward tcp/9 to 10.0.0.1:x']}\n", "1:46", "'x' is no port"},
	{"network: {allow: ['forward tcp/9 to 10.0.0.1:9 via vpn']}\n", "1:52",
	 "expected 'via tunnel' here"},
	{"wireguard: none\nnetwork: {allow: ['forward tcp/9 to 10.0.0.1:9 via tunnel']}\n", "2:19",
	 "'via tunnel', but there is no tunnel ('wireguard')"},
	{"network:\n  allow:\n    - host tcp/80\n    - forward tcp/80 to 10.0.0.1:80\n", "4:7",
	 "claims the same as the rule in line 3"},
	{"network: {ports: [\"8080\"]}\n", "1:20", "'8080' is no HOST:GUEST"},
	{"network: {ports: [\"8080:x\"]}\n", "1:25", "'x' is no port"},
	{"network: {ports: [\"a.b:1:2\"]}\n", "1:20", "'a.b' is no address"},
	{"network: {ports: [\"224.0.0.1:1:2\"]}\n", "1:20", "224.0.0.1 is a multicast address"},
	{"network:\n  ports:\n    - 8080:80\n    - 0.0.0.0:8080:81\n", "4:7",
	 "port 8080 of the host is taken by line 3"},
	{"network: {egress: open, domains: [a.b]}\n", "1:34",
	 "'network.domains' means nothing without a list"},
	{"network: {egress: list}\n", "1:19", "'egress: list' needs 'network.domains'"},
	{"network: {egress: list, domains: [a.b, A.B.]}\n", "1:40",
	 "'network.domains' names A.B. twice"},
	{"network: {egress: list, domains: [a..b]}\n", "1:37", "'a..b' is no domain name"},
	{"network: {egress: list, domains: ['*.b.c']}\n", "1:36", "'*.b.c' is no domain name"},
	{"network: {egress: list, domains: [1.2.3.4]}\n", "1:35", "'1.2.3.4' is no domain name"},
	{"network: {egress: list, domains: [localhost]}\n", "1:35", "'localhost' is no full name"},
	{"network: {egress: list, domains: [b\xc3\xbc"
	 "cher.de]}\n",
	 "1:35",
	 "'b\xc3\xbc"
	 "cher.de' is no domain name"},
	{"network: {dns: [127.0.0.53]}\n", "1:17",
	 "127.0.0.53 is the gateway's own loopback, not the host's"},
	{"network: {dns: ['2620:fe::fe']}\n", "1:16",
	 "an IPv6 resolver, but the gateway has no IPv6"},
};

static void bad_documents_have_a_place(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *place = text_format("Migrantfile:%s", bad[i].place);
		struct config config = {0};

		if (parse(bad[i].text, &config, &err) == 0)
			fail_msg("accepted: %s", bad[i].text);
		if (!text_equal(err.message, bad[i].message) || !text_equal(err.place, place)) {
			print_error("%s-> %s: %s\nnot %s: %s\n", bad[i].text, err.place,
				    err.message, place, bad[i].message);
			wrong++;
		}
		assert_int_equal(err.code, EX_CONFIG);
		assert_null(config.directory);
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_documents_have_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
