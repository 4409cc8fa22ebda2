/*
 * Measures a path between two machines: how much goes through, how many packets, how long a turn
 * takes. Small and static, so that it runs in any guest, and so that no benchmark depends on what a
 * distribution's tool happens to default to.
 *
 *   stream serve ADDRESS PORT               until it is ended; one measurement at a time
 *   stream up|down ADDRESS PORT SECONDS     TCP, to or from the server: {"bytes", "seconds"}
 *   stream packets ADDRESS PORT SECONDS     UDP datagrams of 64 bytes: {"sent", "received",
 * "seconds"} stream turns ADDRESS PORT SECONDS       one UDP datagram there and back: {"turns",
 * "lost", "median", "p99"}, the latter in microseconds stream connections ADDRESS PORT SECONDS TCP,
 * opened and closed one after the other: {"turns", …}
 *
 * The receiver counts: what a sender has sent says nothing of what came through.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <json-c/json.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/error.h"
#include "base/parse.h"
#include "base/text.h"

#define CHUNK	  (128 * 1024)
#define DATAGRAM  64
#define TURNS_MAX 1000000

/* What the first byte of a connection asks the server for. */
enum request {
	REQUEST_TAKE = 't',  /* read to the end, say how many bytes that were */
	REQUEST_GIVE = 'g',  /* send until the client goes */
	REQUEST_COUNT = 'c', /* count datagrams until the client has no more, say how many */
	REQUEST_NONE = 'n',
};

static char chunk[CHUNK];

static double now(void)
{
	struct timespec time = {0};

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int open_socket(int type, struct error *err)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return error_errno(err, EX_OSERR, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd;
}

static void set_timeout(int fd, int microseconds)
{
	const struct timeval time = {.tv_sec = microseconds / 1000000,
				     .tv_usec = microseconds % 1000000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
}

static void send_number(int fd, uint64_t number)
{
	_cleanup_free_ char *text = text_format("%llu", (unsigned long long)number);

	send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* The number that the server says before it closes the connection. */
static int take_number(int fd, uint64_t *ret_number, struct error *err)
{
	char text[32] = "";
	size_t length = 0;
	ssize_t got;

	while (length < sizeof(text) - 1 &&
	       (got = recv(fd, text + length, sizeof(text) - 1 - length, 0)) > 0)
		length += (size_t)got;
	if (parse_number(text, 0, UINT64_MAX, ret_number) < 0)
		return error_set(err, EX_PROTOCOL, "the server does not say what it got");
	return 0;
}

/* -- the server ---------------------------------------------------------------------------------*/

static void take_stream(int connection)
{
	uint64_t bytes = 0;
	ssize_t got;

	while ((got = recv(connection, chunk, sizeof(chunk), 0)) > 0)
		bytes += (uint64_t)got;
	send_number(connection, bytes);
}

static void give_stream(int connection)
{
	while (send(connection, chunk, sizeof(chunk), MSG_NOSIGNAL) > 0)
		;
}

static void count_datagrams(int connection, int datagrams)
{
	struct pollfd fds[] = {{.fd = datagrams, .events = POLLIN},
			       {.fd = connection, .events = POLLIN}};
	uint64_t count = 0;

	send(connection, "r", 1, MSG_NOSIGNAL);
	while (poll(fds, ARRAY_SIZE(fds), -1) > 0 && (fds[0].revents || !fds[1].revents))
		while (recv(datagrams, chunk, sizeof(chunk), MSG_DONTWAIT) >= 0)
			count++;
	send_number(connection, count);
}

static void answer(int connection, int datagrams)
{
	char request = REQUEST_NONE;

	recv(connection, &request, 1, 0);
	if (request == REQUEST_TAKE)
		take_stream(connection);
	else if (request == REQUEST_GIVE)
		give_stream(connection);
	else if (request == REQUEST_COUNT)
		count_datagrams(connection, datagrams);
}

static void reflect(int datagrams)
{
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	ssize_t got =
		recvfrom(datagrams, chunk, sizeof(chunk), 0, (struct sockaddr *)&from, &length);

	if (got >= 0)
		sendto(datagrams, chunk, (size_t)got, 0, (struct sockaddr *)&from, length);
}

static int serve(const struct sockaddr_in *address, struct error *err)
{
	_cleanup_close_ int listener = open_socket(SOCK_STREAM, err);
	_cleanup_close_ int datagrams = open_socket(SOCK_DGRAM, err);
	const struct sockaddr *any = (const struct sockaddr *)address;
	struct pollfd fds[] = {{.fd = listener, .events = POLLIN},
			       {.fd = datagrams, .events = POLLIN}};

	if (listener < 0 || datagrams < 0)
		return -1;
	if (bind(listener, any, sizeof(*address)) < 0 ||
	    bind(datagrams, any, sizeof(*address)) < 0 || listen(listener, 64) < 0)
		return error_errno(err, EX_OSERR, "cannot serve");
	while (poll(fds, ARRAY_SIZE(fds), -1) >= 0) {
		if (fds[1].revents)
			reflect(datagrams);
		if (fds[0].revents) {
			_cleanup_close_ int connection = accept(listener, NULL, NULL);

			answer(connection, datagrams);
		}
	}
	return error_errno(err, EX_OSERR, "poll");
}

/* -- the client ---------------------------------------------------------------------------------*/

static int open_to(const struct sockaddr_in *address, int type, char request, struct error *err)
{
	int fd = open_socket(type, err);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
	    (request == REQUEST_NONE || send(fd, &request, 1, MSG_NOSIGNAL) == 1))
		return fd;
	error_errno(err, EX_UNAVAILABLE, "cannot reach the server");
	close(fd);
	return -1;
}

static void print(json_object *result)
{
	puts(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
	json_object_put(result);
}

static void add_number(json_object *result, const char *name, double number)
{
	json_object_object_add(result, name, json_object_new_double(number));
}

static void print_amount(uint64_t bytes, double seconds)
{
	json_object *result = json_object_new_object();

	add_number(result, "bytes", (double)bytes);
	add_number(result, "seconds", seconds);
	print(result);
}

static int run_up(const struct sockaddr_in *address, double seconds, struct error *err)
{
	_cleanup_close_ int fd = open_to(address, SOCK_STREAM, REQUEST_TAKE, err);
	const double start = now();
	uint64_t bytes;

	if (fd < 0)
		return -1;
	while (now() < start + seconds)
		if (send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) < 0)
			return error_errno(err, EX_IOERR, "send");
	shutdown(fd, SHUT_WR);
	if (take_number(fd, &bytes, err) < 0)
		return -1;
	print_amount(bytes, now() - start);
	return 0;
}

static int run_down(const struct sockaddr_in *address, double seconds, struct error *err)
{
	_cleanup_close_ int fd = open_to(address, SOCK_STREAM, REQUEST_GIVE, err);
	const double start = now();
	uint64_t bytes = 0;

	if (fd < 0)
		return -1;
	while (now() < start + seconds) {
		ssize_t got = recv(fd, chunk, sizeof(chunk), 0);

		if (got <= 0)
			return error_errno(err, EX_IOERR, "recv");
		bytes += (uint64_t)got;
	}
	print_amount(bytes, now() - start);
	return 0;
}

static int run_packets(const struct sockaddr_in *address, double seconds, struct error *err)
{
	_cleanup_close_ int control = open_to(address, SOCK_STREAM, REQUEST_COUNT, err);
	_cleanup_close_ int fd = control < 0 ? -1 : open_to(address, SOCK_DGRAM, REQUEST_NONE, err);
	uint64_t sent = 0, received;
	double start;
	json_object *result;

	if (fd < 0 || recv(control, chunk, 1, 0) != 1)
		return error_is_set(err) ? -1 : error_set(err, EX_PROTOCOL, "no answer");
	for (start = now(); now() < start + seconds;)
		if (send(fd, chunk, DATAGRAM, 0) == DATAGRAM)
			sent++;
	seconds = now() - start;
	usleep(300000); /* what is on its way arrives */
	shutdown(control, SHUT_WR);
	if (take_number(control, &received, err) < 0)
		return -1;
	result = json_object_new_object();
	add_number(result, "sent", (double)sent);
	add_number(result, "received", (double)received);
	add_number(result, "seconds", seconds);
	print(result);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* One turn of either kind, timed: there and back, or opened and closed. */
static bool turn(const struct sockaddr_in *address, int fd, struct error *err)
{
	_cleanup_close_ int connection = -1;

	if (fd >= 0)
		return send(fd, chunk, DATAGRAM, 0) == DATAGRAM &&
		       recv(fd, chunk, sizeof(chunk), 0) == DATAGRAM;
	connection = open_to(address, SOCK_STREAM, REQUEST_NONE, err);
	return connection >= 0;
}

static int run_turns(const struct sockaddr_in *address, int fd, double seconds, struct error *err)
{
	_cleanup_free_ float *times = xcalloc(TURNS_MAX, sizeof(*times));
	const double start = now();
	size_t count = 0, lost = 0;
	json_object *result = json_object_new_object();

	while (now() < start + seconds && count < TURNS_MAX) {
		const double begin = now();

		if (turn(address, fd, err))
			times[count++] = (float)((now() - begin) * 1e6);
		else
			lost++;
	}
	qsort(times, count, sizeof(*times), compare);
	add_number(result, "turns", (double)count);
	add_number(result, "lost", (double)lost);
	add_number(result, "median", count ? (double)times[count / 2] : 0);
	add_number(result, "p99", count ? (double)times[count * 99 / 100] : 0);
	print(result);
	return 0;
}

static int run_datagram_turns(const struct sockaddr_in *address, double seconds, struct error *err)
{
	_cleanup_close_ int fd = open_to(address, SOCK_DGRAM, REQUEST_NONE, err);

	if (fd < 0)
		return -1;
	set_timeout(fd, 500000);
	return run_turns(address, fd, seconds, err);
}

static int run(char **argv, int argc, struct error *err)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct address address;
	uint64_t seconds = 0;
	uint16_t port;

	if (argc < 4 || parse_address(argv[2], &address) < 0 || address.family != AF_INET ||
	    parse_port(argv[3], &port) < 0 ||
	    (argc > 4 && parse_number(argv[4], 1, 3600, &seconds) < 0))
		return error_set(err, EX_USAGE, "see tests/bench/stream.c");
	to.sin_addr = address.v4;
	to.sin_port = htons(port);
	if (text_equal(argv[1], "serve"))
		return serve(&to, err);
	if (text_equal(argv[1], "up"))
		return run_up(&to, (double)seconds, err);
	if (text_equal(argv[1], "down"))
		return run_down(&to, (double)seconds, err);
	if (text_equal(argv[1], "packets"))
		return run_packets(&to, (double)seconds, err);
	if (text_equal(argv[1], "turns"))
		return run_datagram_turns(&to, (double)seconds, err);
	if (text_equal(argv[1], "connections"))
		return run_turns(&to, -1, (double)seconds, err);
	return error_set(err, EX_USAGE, "see tests/bench/stream.c");
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (run(argv, argc, &err) == 0)
		return 0;
	fprintf(stderr, "stream: %s\n", err.message);
	return err.code;
}
