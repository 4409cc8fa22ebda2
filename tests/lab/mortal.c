/*
 * Dies of SIGKILL when a program has changed something through libvirt for the $MORTAL-th time, or
 * by the function that is named there: right after the daemon's answer, at the same place whatever
 * the machine has to do otherwise. With $MORTAL_STOPS it only stops there, until SIGCONT. Loaded
 * with LD_PRELOAD.
 */
#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void count(const char *name)
{
	static long calls;
	const char *last = getenv("MORTAL");

	calls++;
	if (last && (strcmp(last, name) == 0 || calls == strtol(last, NULL, 10)))
		kill(getpid(), getenv("MORTAL_STOPS") ? SIGSTOP : SIGKILL);
}

/* The function of the same name in the library; ISO C knows no way from void * to a function. */
static void find(const char *name, void *ret_function)
{
	*(void **)ret_function = dlsym(RTLD_NEXT, name);
	if (!*(void **)ret_function)
		abort();
}

/* NOLINTBEGIN(bugprone-macro-parentheses): parameters as they are declared */
#define MORTAL(type, name, parameters, arguments) \
	type name parameters                      \
	{                                         \
		type(*function) parameters;       \
		type result;                      \
                                                  \
		find(#name, (void *)&function);   \
		result = function arguments;      \
		count(#name);                     \
		return result;                    \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

MORTAL(virDomainPtr, virDomainDefineXML, (virConnectPtr connection, const char *xml),
       (connection, xml))
MORTAL(int, virDomainUndefineFlags, (virDomainPtr domain, unsigned int flags), (domain, flags))
MORTAL(int, virDomainCreateWithFlags, (virDomainPtr domain, unsigned int flags), (domain, flags))
MORTAL(int, virDomainDestroy, (virDomainPtr domain), (domain))
MORTAL(int, virDomainSuspend, (virDomainPtr domain), (domain))
MORTAL(int, virDomainResume, (virDomainPtr domain), (domain))
MORTAL(int, virDomainManagedSave, (virDomainPtr domain, unsigned int flags), (domain, flags))
MORTAL(int, virDomainManagedSaveRemove, (virDomainPtr domain, unsigned int flags), (domain, flags))
MORTAL(int, virDomainSetMetadata,
       (virDomainPtr domain, int type, const char *text, const char *key, const char *uri,
	unsigned int flags),
       (domain, type, text, key, uri, flags))
MORTAL(virDomainSnapshotPtr, virDomainSnapshotCreateXML,
       (virDomainPtr domain, const char *xml, unsigned int flags), (domain, xml, flags))
MORTAL(int, virDomainBlockRebase,
       (virDomainPtr domain, const char *disk, const char *base, unsigned long bandwidth,
	unsigned int flags),
       (domain, disk, base, bandwidth, flags))
MORTAL(virStorageVolPtr, virStorageVolCreateXML,
       (virStoragePoolPtr pool, const char *xml, unsigned int flags), (pool, xml, flags))
MORTAL(virStorageVolPtr, virStorageVolCreateXMLFrom,
       (virStoragePoolPtr pool, const char *xml, virStorageVolPtr from, unsigned int flags),
       (pool, xml, from, flags))
MORTAL(int, virStorageVolDelete, (virStorageVolPtr volume, unsigned int flags), (volume, flags))
MORTAL(int, virStorageVolUpload,
       (virStorageVolPtr volume, virStreamPtr stream, unsigned long long offset,
	unsigned long long length, unsigned int flags),
       (volume, stream, offset, length, flags))
MORTAL(int, virStreamFinish, (virStreamPtr stream), (stream))
