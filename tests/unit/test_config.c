/* The Migrantfile: what is refused and where, what is accepted and as what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

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
	{"# \xe2\x80\xa8\n", "1:3", "character U+2028 is not allowed"},
	{"# \xc2\x9b\n", "1:3", "character U+009B is not allowed"},
	{"box: a\r# evil\n", "1:7", "character U+000D is not allowed"},
	{"# a \xe2\x80\xae b\n", "1:5", "character U+202E is not allowed"},
	{"box: \"a\\0b\"\n", "1:6", "this text holds a character that is not allowed"},
	{"box: \"a\\eb\"\n", "1:6", "this text holds a character that is not allowed"},
	{"name: &\n", "1:8", "anchors and aliases are not supported"},
	{"network: {dns: [9.9.9.9 {a: b}]}\n", "1:25", "expected ',' or ']' here"},
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
	{"network: {dns: [,]}\n", "1:17", "a value is missing here"},
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
	 "an item of 'provision' has one of ansible, shell and file"},
	{"provision: [{name: a}]\n", "1:13",
	 "an item of 'provision' has one of ansible, shell and file"},
	{"provision: [{shell: a, vars: {}}]\n", "1:30",
	 "'provision.vars' belongs to 'ansible', not to 'shell'"},
	{"provision: [{file: {from: a, to: /b}, tags: [c]}]\n", "1:45",
	 "'provision.tags' belongs to 'ansible', not to 'file'"},
	{"provision: [{shell: {user: root}}]\n", "1:21",
	 "'provision.shell' takes one of file and inline"},
	{"provision: [{shell: {inline: a, file: b}}]\n", "1:21",
	 "'provision.shell' takes one of file and inline"},
	{"provision: [{shell: [a]}]\n", "1:21", "'provision.shell' takes a mapping, not a list"},
	{"provision: [{shell: {inline: a, user: dev}}]\n", "1:39",
	 "'provision.shell.user' takes root or user, not 'dev'"},
	{"provision: [{shell: {inline: a, usr: root}}]\n", "1:33",
	 "unknown key 'provision.shell.usr'"},
	{"provision: [{file: a}]\n", "1:20", "'provision.file' takes a mapping, not a text"},
	{"provision: [{file: {from: a}}]\n", "1:20", "'provision.file.to' is missing"},
	{"provision: [{file: {from: a, to: b}}]\n", "1:34",
	 "'provision.file.to' takes an absolute path without '.' or '..', not 'b'"},
	{"provision: [{file: {from: a, to: /b/../c}}]\n", "1:34",
	 "'provision.file.to' takes an absolute path without '.' or '..', not '/b/../c'"},
	{"provision: [{file: {from: a, to: /b, mode: 0o64}}]\n", "1:44",
	 "'provision.file.mode' takes an octal mode like 0644, not '0o64'"},
	{"provision: [{ansible: a, vars: b}]\n", "1:32",
	 "'provision.vars' takes a mapping, not a text"},
	{"provision: [{ansible: a, vars: {b-c: 1}}]\n", "1:33", "'b-c' is no name of a variable"},
	{"provision: [{ansible: a, vars: {1: 1}}]\n", "1:33", "'1' is no name of a variable"},
	{"provision: [{ansible: a, vars: {ansible_connection: local}}]\n", "1:33",
	 "'ansible_connection' is not yours to set"},
	{"provision: [{ansible: a, tags: [b, b]}]\n", "1:36", "'provision.tags' names b twice"},
	{"provision: [{ansible: a, tags: ['b,c']}]\n", "1:33", "'b,c' is no tag"},
	{"provision: [{ansible: a, name: --with}]\n", "1:32",
	 "'provision.name' takes letters, digits, blanks and any of ._-/, not '--with'"},
	{"shares: [{host: w, guest: /x}]\nprovision: [{ansible: a, config: w/ansible.cfg}]\n",
	 "1:17", "the share 'w' would hold Ansible's configuration, 'w/ansible.cfg'"},
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
	{"provision: [{ansible: site.yml}]\nshares: [{host: group_vars, guest: /x}]\n", "2:17",
	 "the share 'group_vars' would hold what Ansible takes from beside a playbook, "
	 "'group_vars'"},
	{"provision: [{ansible: a/site.yml}]\nshares: [{host: a/roles/agent, guest: /x}]\n", "2:17",
	 "the share 'a/roles/agent' would hold what Ansible takes from beside a playbook, "
	 "'a/roles'"},
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
	{"shares: [{host: a, guest: /usr/bin/x}]\n", "1:27",
	 "'shares.guest' takes an absolute path without '.' or '..', outside the system's own "
	 "directories, not '/usr/bin/x'"},
	{"shares: [{host: a, guest: /}]\n", "1:27",
	 "'shares.guest' takes an absolute path without '.' or '..', outside the system's own "
	 "directories, not '/'"},
	{"shares: [{host: a, guest: /etc/ssh}]\n", "1:27",
	 "'shares.guest' takes an absolute path without '.' or '..', outside the system's own "
	 "directories, not '/etc/ssh'"},
	{"shares: [{host: a, guest: /usr}]\n", "1:27",
	 "'shares.guest' takes an absolute path without '.' or '..', outside the system's own "
	 "directories, not '/usr'"},
	{"shares: [{host: a, guest: \"/a\\tb\"}]\n", "1:27",
	 "'shares.guest' takes an absolute path without '.' or '..', outside the system's own "
	 "directories, not '/a\tb'"},
	{"shares: [{host: a, guest: /home/migrant/.ssh/x}]\n", "1:27",
	 "a share here would hide the user's SSH keys in the guest"},
	{"shares: [{host: x/.git/hooks, guest: /x}]\n", "1:17",
	 "tools of the host obey what lies in 'x/.git/hooks', and the guest would write it"},
	{"shares: [{host: .VSCode, guest: /x}]\n", "1:17",
	 "tools of the host obey what lies in '.VSCode', and the guest would write it"},
	{"shares: [{host: a, guest: /x, reserve: 1}]\n", "1:40",
	 "'shares.reserve' takes true or false, not '1'"},
	{"shares: [{host: a, guest: /x, isolate: false, reserve: true}]\n", "1:10",
	 "'reserve: true', but with 'isolate: false' there is no image to reserve for"},
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
	{"wireguard: none\nnetwork: {allow: ['lan fd00::1']}\n", "2:19",
	 "an IPv6 address, but the guest has no IPv6"},
	{"wireguard: w\nnetwork: {ipv6: off, allow: ['lan fd00::1']}\n", "2:30",
	 "an IPv6 address, but the guest has no IPv6"},
	{"wireguard: w\nnetwork: {allow: [lan 10.0.0.1, 'forward tcp/9 to 10.0.0.1:9 via "
	 "tunnel']}\n",
	 "2:33", "leads to the same address by another way than the rule in line 2"},
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
	{"network:\n  allow:\n    - forward tcp/80 to 10.0.0.1:80\n    - forward tcp/80 to "
	 "10.0.0.2:80\n",
	 "4:7", "claims the same as the rule in line 3"},
	{"network:\n  allow:\n    - host udp/80\n    - host udp/80\n", "4:7",
	 "claims the same as the rule in line 3"},
	{"network:\n  allow:\n    - lan 10.0.0.1\n    - lan 10.0.0.1 tcp/80\n", "4:7",
	 "claims the same as the rule in line 3"},
	{"network:\n  allow:\n    - lan 10.0.0.1 tcp/80\n    - lan 10.0.0.2\n    - lan 10.0.0.1\n",
	 "5:7", "claims the same as the rule in line 3"},
	{"network:\n  allow:\n    - lan 10.0.0.1 tcp/80\n    - lan 10.0.0.1 tcp/80\n", "4:7",
	 "claims the same as the rule in line 3"},
	{"network: {allow: [forward tcp/53 to 10.0.0.1:53]}\n", "1:31",
	 "port 53 is the gateway's own (DHCP and DNS)"},
	{"network: {allow: [forward udp/67 to 10.0.0.1:53]}\n", "1:31",
	 "port 67 is the gateway's own (DHCP and DNS)"},
	{"network: {allow: [lan 10.0.0.1 udp/53]}\n", "1:36",
	 "port 53 of another address is not reached from the guest"},
	{"network: {allow: [host udp/68]}\n", "1:28",
	 "port 68 is the gateway's own (DHCP and DNS)"},
	{"network: {allow: ['forward tcp/1 to 127.0.0.1:80']}\n", "1:37",
	 "127.0.0.1 is the host's own loopback"},
	{"network: {allow: ['forward tcp/1 to 169.254.169.254:80']}\n", "1:37",
	 "169.254.169.254 is a cloud's metadata service"},
	{"network: {allow: ['forward tcp/1 to 10.0.0.0/8:80']}\n", "1:37",
	 "10.0.0.0/8 is a network"},
	{"network: {allow: ['forward tcp/1 to 10.0.0.1:0']}\n", "1:46", "'0' is no port"},
	{"network: {allow: [lan 169.254.7.7 udp/1]}\n", "1:23",
	 "169.254.7.7 is a link-local address, which is closed to every guest"},
	{"network: {allow: [lan 0.0.0.0]}\n", "1:23", "0.0.0.0 is no machine's address"},
	{"network: {allow: [lan 224.0.0.251]}\n", "1:23", "224.0.0.251 is a multicast address"},
	{"network: {allow: [lan 168.63.129.16]}\n", "1:23",
	 "168.63.129.16 is a cloud's metadata service"},
	{"network: {allow: [lan 100.100.100.200]}\n", "1:23",
	 "100.100.100.200 is a cloud's metadata service"},
	{"network: {ipv6: nat, allow: ['lan ::1']}\n", "1:35", "::1 is the host's own loopback"},
	{"network: {ipv6: nat, allow: ['lan ::']}\n", "1:35", ":: is no machine's address"},
	{"network: {ipv6: nat, allow: ['lan ::ffff:10.0.0.1']}\n", "1:35",
	 "::ffff:10.0.0.1 is an IPv4 address in IPv6 clothes"},
	{"network: {ipv6: nat, allow: ['lan 64:ff9b::a00:1']}\n", "1:35",
	 "64:ff9b::a00:1 is an IPv4 address in IPv6 clothes"},
	{"network: {ipv6: nat, allow: ['lan fe80::1']}\n", "1:35",
	 "fe80::1 is a link-local address, which means nothing without an interface"},
	{"network: {ipv6: nat, allow: ['lan ff02::fb']}\n", "1:35",
	 "ff02::fb is a multicast address"},
	{"network: {ipv6: nat, allow: ['lan fd00:ec2::254']}\n", "1:35",
	 "fd00:ec2::254 is a cloud's metadata service"},
	{"network: {ipv6: nat, allow: ['lan 2002:a00:1::1']}\n", "1:35",
	 "2002:a00:1::1 is an IPv4 address in IPv6 clothes (6to4)"},
	{"network: {ipv6: nat, allow: ['lan fd6d:6967:7261:ffff::1']}\n", "1:35",
	 "fd6d:6967:7261:ffff::1 is one of the links between host and sandboxes"},
	{"network: {ports: ['240.0.0.1:1:2']}\n", "1:20", "240.0.0.1 is a reserved address"},
	{"network: {ports: ['[fe80::1]:1:2']}\n", "1:21",
	 "fe80::1 is a link-local address, which means nothing without an interface"},
	{"network: {ports: ['[::ffff:10.0.0.1]:1:2']}\n", "1:21",
	 "::ffff:10.0.0.1 is an IPv4 address in IPv6 clothes"},
	{"network: {ports: ['1:0']}\n", "1:22", "'0' is no port"},
	{"network: {ports: ['65536:1']}\n", "1:20", "'65536' is no port"},
	{"network:\n  ports:\n    - 127.0.0.1:80:80\n    - '[::]:80:81'\n", "4:7",
	 "port 80 of the host is taken by line 3"},
	{"network:\n  ports:\n    - 80:80\n    - 127.0.0.1:80:81\n", "4:7",
	 "port 80 of the host is taken by line 3"},
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
	{"wireguard: none\nnetwork: {dns: ['2620:fe::fe']}\n", "2:16",
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

/* Parses what must be accepted. */
static void parse_good(const char *text, struct config *ret_config)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (parse(text, ret_config, &err) < 0)
		fail_msg("%s-> %s: %s", text, err.place, err.message);
}

static void good_documents_are_accepted(void **state)
{
	static const char *const good[] = {
		"",
		"\n# nothing\n",
		"---\n",
		"---\nname: a\n...\n",
		"\xef\xbb\xbfname: a\n",
		"name: a\r\nbox: b\r\n",
		"{name: a, box: b}\n",
		"\"name\": \"a\"\n'box': 'b'\n",
		"name: no\nbox: null-box\n",
		"name: \"null\"\n",
		"cpus: \"2\"\n",
		"ttl: none\nhooks: none\nwireguard: none\ncloud-init: none\nprovision: []\n",
		"shares: []\nnetwork: {allow: [], ports: [], dns: []}\n",
		"# \xf0\x9f\xa6\x80 caf\xc3\xa9\n",
		"box: ./boxes/mine.yaml\n",
		"shares: [{host: caf\xc3\xa9, guest: /home/migrant/caf\xc3\xa9}]\n",
		"shares:\n  - {host: a, guest: /x}\n  - {host: ab, guest: /xy}\n",
		"shares: [{host: a, guest: /var/www/html}, {host: b, guest: /usr/src/b}]\n",
		"shares: [{host: .github.io, guest: /etcetera, size: 16M, reserve: true}]\n",
		"network: {ports: [8080:80, '[::1]:8080:80', '127.0.0.2:8080:80']}\n",
		"network: {ipv6: nat, allow: ['lan fd00::1', 'forward udp/9 to [fd00::2]:9']}\n",
		"network: {allow: [host tcp/80, host udp/80, lan 10.0.0.1, lan 10.0.0.2 tcp/80]}\n",
		"network: {allow: [lan 10.0.0.1 tcp/80, lan 10.0.0.1 udp/80, lan 10.0.0.1 "
		"tcp/81]}\n",
		"network: {allow: [forward tcp/80 to 10.0.0.1:53, forward tcp/81 to "
		"10.0.0.1:53]}\n",
		"network: {allow: ['lan   8.8.8.8   udp/853']}\n",
		"network: {ports: ['0.0.0.0:80:80', '[::1]:80:80', '127.0.0.1:81:80']}\n",
		"network: {egress: list, domains: []}\n",
		"network: {egress: list, domains: [a.b, .a.b, _x.y.z, xn--bcher-kva.de]}\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_config_ struct config config = {0};

		parse_good(good[i], &config);
	}
}

static void defaults_hold(void **state)
{
	_cleanup_config_ struct config config = {0};

	(void)state;
	parse_good("shares: [{host: ./a//b/, guest: /x}]\n", &config);
	assert_string_equal(config.directory, DIRECTORY);
	assert_string_equal(config.name, "my-project");
	assert_string_equal(config.box, "debian-12");
	assert_int_equal(config.cpus, 2);
	assert_true(config.memory == UINT64_C(2) << 30);
	assert_true(config.disk == UINT64_C(20) << 30);
	assert_string_equal(config.user, "migrant");
	assert_int_equal(config.boot, BOOT_AUTO);
	assert_int_equal(config.accel, ACCEL_AUTO);
	assert_false(config.nested);
	assert_true(config.ttl == 0);
	assert_true(config.network.isolate);
	assert_false(config.network.ipv6_nat);
	assert_int_equal(config.network.egress, EGRESS_OPEN);
	assert_int_equal(config.network.limit_connections, 4096);
	assert_int_equal(config.network.limit_new_per_second, 500);
	assert_int_equal(config.network.limit_dns_per_second, 50);
	assert_null(config.wireguard);
	assert_null(config.cloud_init);
	assert_int_equal(config.provision_count, 0);
	assert_string_equal(config.shares[0].host, "a/b");
	assert_true(config.shares[0].size == UINT64_C(10) << 30);
	assert_true(config.shares[0].isolate);
	assert_false(config.shares[0].read_only);
	assert_false(config.shares[0].reserve);
	assert_int_equal(config_position(&config, "shares").column, 9);
	assert_int_equal(config_position(&config, "network.dns").line, 0);
}

static void provisioners_become_values(void **state)
{
	_cleanup_config_ struct config config = {0};
	const struct config_provision *provision;

	(void)state;
	parse_good(
		"provision:\n"
		"  - ansible: a.yml\n"
		"    name: the agent\n"
		"    vars: {t: true, q: \"true\", n: -12, z: 007, f: 1.5, e: ~, l: [a, {b: 0}]}\n"
		"    tags: [one, two]\n"
		"    requirements: r.yml\n"
		"    config: ansible.cfg\n"
		"  - shell:\n"
		"      inline: |\n"
		"        first\n"
		"        second\n"
		"      user: user\n"
		"  - shell: {file: b.sh}\n"
		"  - file: {from: c, to: /opt/c, mode: 0755}\n",
		&config);
	assert_int_equal(config.provision_count, 4);
	provision = config.provision;
	assert_string_equal(config_provision_title(provision), "the agent");
	assert_string_equal(provision->vars,
			    "{\"t\":true,\"q\":\"true\",\"n\":-12,\"z\":\"007\",\"f\":\"1.5\","
			    "\"e\":null,\"l\":[\"a\",{\"b\":0}]}");
	assert_int_equal(provision->tag_count, 2);
	assert_string_equal(provision->tags[1], "two");
	assert_null(provision->tags[2]);
	assert_string_equal(provision->requirements, "r.yml");
	assert_string_equal(provision->settings, "ansible.cfg");
	provision++;
	assert_int_equal(provision->kind, PROVISION_SHELL);
	assert_string_equal(provision->script, "first\nsecond\n");
	assert_true(provision->as_user);
	assert_string_equal(config_provision_title(provision), "shell");
	provision++;
	assert_string_equal(provision->file, "b.sh");
	assert_false(provision->as_user);
	provision++;
	assert_int_equal(provision->kind, PROVISION_FILE);
	assert_string_equal(provision->to, "/opt/c");
	assert_string_equal(provision->mode, "0755");
	assert_string_equal(config_provision_title(provision), "c");
}

static void entries_become_values(void **state)
{
	_cleanup_config_ struct config config = {0};
	const struct config_network *network = &config.network;
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	parse_good("wireguard: wg.conf\n"
		   "network:\n"
		   "  isolate: false\n"
		   "  egress: list\n"
		   "  domains: [API.Example.com., .debian.org]\n"
		   "  dns: [9.9.9.9, 149.112.112.112]\n"
		   "  allow:\n"
		   "    - host udp/8080\n"
		   "    - lan 192.168.1.50\n"
		   "    - lan 192.168.1.51 tcp/5432\n"
		   "    - forward tcp/9000 to 10.8.0.5:9001 via tunnel\n"
		   "  ports: [\"8080:80\", \"0.0.0.0:2222:22\", \"[::1]:81:82\"]\n"
		   "provision: [{shell: a.sh}, {ansible: b.yml}]\n"
		   "ttl: 1h30m\nmemory: 4096M\nconnect: ssh\naccel: tcg\ntunnel: [3000]\n",
		   &config);
	assert_false(network->isolate);
	assert_string_equal(network->domains[0], "api.example.com");
	assert_string_equal(network->domains[1], ".debian.org");
	assert_string_equal(address_format(&network->dns[1], text), "149.112.112.112");
	assert_int_equal(network->allow_count, 4);
	assert_int_equal(network->allow[0].kind, ALLOW_HOST);
	assert_int_equal(network->allow[0].protocol, PROTOCOL_UDP);
	assert_int_equal(network->allow[0].port, 8080);
	assert_int_equal(network->allow[0].position.line, 8);
	assert_int_equal(network->allow[1].kind, ALLOW_LAN);
	assert_int_equal(network->allow[1].protocol, PROTOCOL_ANY);
	assert_int_equal(network->allow[1].port, 0);
	assert_int_equal(network->allow[2].port, 5432);
	assert_string_equal(address_format(&network->allow[2].address, text), "192.168.1.51");
	assert_int_equal(network->allow[3].kind, ALLOW_FORWARD);
	assert_int_equal(network->allow[3].port, 9000);
	assert_int_equal(network->allow[3].target_port, 9001);
	assert_true(network->allow[3].via_tunnel);
	assert_string_equal(address_format(&network->ports[0].bind, text), "127.0.0.1");
	assert_string_equal(address_format(&network->ports[1].bind, text), "0.0.0.0");
	assert_string_equal(address_format(&network->ports[2].bind, text), "::1");
	assert_int_equal(network->ports[2].host, 81);
	assert_int_equal(network->ports[2].guest, 82);
	assert_int_equal(config.provision[0].kind, PROVISION_SHELL);
	assert_string_equal(config.provision[1].file, "b.yml");
	assert_true(config.ttl == 5400);
	assert_true(config.memory == UINT64_C(4) << 30);
	assert_int_equal(config.connect, CONNECT_SSH);
	assert_int_equal(config.accel, ACCEL_TCG);
	assert_int_equal(config.tunnel_ports[0], 3000);
}

static void hints_name_the_way_out(void **state)
{
	static const struct {
		const char *text, *hint;
	} cases[] = {
		{"cpu: 2\n", "did you mean 'cpus'?"},
		{"isolate: true\n", "did you mean 'network.isolate'?"},
		{"network: {isolated: true}\n", "did you mean 'network.isolate'?"},
		{"nested: On\n", "did you mean true?"},
		{"nested: no\n", "did you mean false?"},
		{"accel: kmv\n", "did you mean kvm?"},
		{"name: My Box\n", "'my-box' would do"},
		{"memory: 2048\n", "without K, M, G or T it is bytes"},
		{"network: {dns: 9.9.9.9}\n", "a list with one item is written [9.9.9.9]"},
		{"wireguard: off\n", "none turns it off"},
		{"network: {allow: [lan 127.0.0.1]}\n",
		 "`host PROTO/PORT` reaches a service of the host"},
		{"volumes: []\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		struct config config = {0};

		assert_int_equal(parse(cases[i].text, &config, &err), -1);
		if (!text_equal(err.hint, cases[i].hint))
			fail_msg("%s-> %s", cases[i].text, err.hint);
	}
}

static void default_names(void **state)
{
	static const struct {
		const char *directory, *name;
	} cases[] = {
		{"/home/u/claude", "claude"},
		{"/home/u/My Project", "my-project"},
		{"/home/u/caf\xc3\xa9s", "caf-s"},
		{"/home/u/a\xff"
		 "b",
		 "a-b"},
		{"/home/u/--a--", "a"},
		{"/home/u/a.b_c", "a-b-c"},
		{"/srv/aaaaaaaaaabbbbbbbbbbcccccccccc-x", "aaaaaaaaaabbbbbbbbbbcccccccccc"},
		{"/srv/aaaaaaaaaabbbbbbbbbbccccccccccdd", "aaaaaaaaaabbbbbbbbbbccccccccccd"},
		{"/srv/...", NULL},
		{"/", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *name = config_default_name(cases[i].directory);

		if (!text_equal(name, cases[i].name))
			fail_msg("%s -> %s", cases[i].directory, name);
		if (name)
			assert_true(name_is_valid(name));
	}
}

static void a_nameless_directory_needs_a_name(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_config_ struct config named = {0};
	struct config config = {0};

	(void)state;
	assert_int_equal(config_parse("/srv/...", "Migrantfile", "", 0, &config, &err), -1);
	assert_int_equal(err.code, EX_CONFIG);
	assert_string_equal(err.place, "Migrantfile");
	assert_string_equal(err.hint, "write 'name: …' into the Migrantfile");
	assert_int_equal(config_parse("/srv/...", "Migrantfile", "name: a\n", 8, &named, &err), 0);
}

static void excerpts_are_aligned_and_bounded(void **state)
{
	static const struct {
		const char *text;
		struct position position;
		const char *excerpt;
	} cases[] = {
		{"name: A\nx\n", {1, 7}, "name: A\n      ^"},
		{"a:\n\tb: c\r\n", {2, 5}, "\tb: c\n\t   ^"},
		{"k\\n: A", {1, 6}, "k\\n: A\n      ^"}, /* the backslash is shown doubled */
		{"caf\xc3\xa9: A\n", {1, 7}, "caf\xc3\xa9: A\n      ^"},
		{"a\x1b[m: A\n", {1, 7}, "a\x1b[m: A\n         ^"}, /* shown as \x1b */
		{"", {1, 1}, "\n^"},
		{"a", {9, 9}, "\n^"},
		{"0123456789012345678901234567890123456789012345678901234567890123456789x\n",
		 {1, 71},
		 "...012345678901234567890123456789012345678901234567890123456789x\n"
		 "                                                               ^"},
		{"x0123456789012345678901234567890123456789012345678901234567890123456789\n",
		 {1, 1},
		 "x012345678901234567890123456789012345678...\n"
		 "^"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct source source = {"f", cases[i].text, strlen(cases[i].text)};
		_cleanup_free_ char *excerpt = source_excerpt(&source, cases[i].position);

		assert_string_equal(excerpt, cases[i].excerpt);
	}
}

static void what_is_not_built_is_refused(void **state)
{
	static const struct {
		const char *text, *place, *message; /* place NULL: built */
	} cases[] = {
		{"cpus: 4\nnested: true\nnetwork: {isolate: false, dns: [9.9.9.9]}\n", NULL, NULL},
		{"provision: [{ansible: a}]\ncloud-init: b\nkernel: {image: c}\n", NULL, NULL},
		{"shares: [{host: a, guest: /x}]\nttl: none\nhooks: none\nconnect: "
		 "none\nwireguard: none\n",
		 NULL, NULL},
		{"network: {ipv6: off, egress: open, allow: [], ports: []}\ntunnel: []\n", NULL,
		 NULL},
		{"network: {ports: [\"1:2\"], allow: [host tcp/1, lan 10.0.0.1]}\n", NULL, NULL},
		{"network: {limits: {connections: 99}, egress: none}\n", NULL, NULL},
		{"network: {ipv6: nat, allow: [lan fd00::1]}\n", NULL, NULL},
		{"network: {egress: list, domains: [a.b]}\n", "1:19", "'network.egress: list'"},
		{"wireguard: wg.conf\n", NULL, NULL},
		{"ttl: 8h\n", NULL, NULL},
		{"hooks: hooks\nconnect: ssh\n", NULL, NULL},
		{"connect: console\n", NULL, NULL},
		{"tunnel: [1]\n", NULL, NULL},
		{"provision: [{ansible: a}, {shell: b}, {file: {from: c, to: /d}}]\n", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_config_ struct config config = {0};
		_cleanup_free_ char *place = NULL;
		_cleanup_free_ char *message = NULL;

		parse_good(cases[i].text, &config);
		if (!cases[i].place) {
			assert_int_equal(config_require_built(&config, &err), 0);
			continue;
		}
		place = text_format("Migrantfile:%s", cases[i].place);
		message = text_format("%s is not built into this version yet", cases[i].message);
		assert_int_equal(config_require_built(&config, &err), -1);
		assert_int_equal(err.code, EX_CONFIG);
		assert_string_equal(err.message, message);
		assert_string_equal(err.place, place);
	}
}

/* A fork has the tunnel that is called after it, wherever the Migrantfile keeps its own. */
static void siblings_have_what_is_theirs(void **state)
{
	static const struct {
		const char *text, *wireguard;
	} cases[] = {
		{"name: a\nwireguard: wireguard.conf\n", "wireguard-left.conf"},
		{"name: a\nwireguard: vpn/de.conf\n", "vpn/de-left.conf"},
		{"name: a\nwireguard: vpn.conf/key\n", "vpn.conf/key-left"},
		{"name: a\nnetwork: {ports: ['80:80']}\nshares: [{host: w, guest: /w}]\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_config_ struct config config = {0};
		_cleanup_error_ struct error err = ERROR_INIT;

		assert_int_equal(parse(cases[i].text, &config, &err), 0);
		config_as_sibling(&config, "left");
		assert_string_equal(config.name, "left");
		assert_true(text_equal(config.wireguard, cases[i].wireguard));
		assert_int_equal(config.share_count + config.network.port_count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_documents_have_a_place),
		cmocka_unit_test(good_documents_are_accepted),
		cmocka_unit_test(defaults_hold),
		cmocka_unit_test(provisioners_become_values),
		cmocka_unit_test(entries_become_values),
		cmocka_unit_test(hints_name_the_way_out),
		cmocka_unit_test(default_names),
		cmocka_unit_test(siblings_have_what_is_theirs),
		cmocka_unit_test(a_nameless_directory_needs_a_name),
		cmocka_unit_test(excerpts_are_aligned_and_bounded),
		cmocka_unit_test(what_is_not_built_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
