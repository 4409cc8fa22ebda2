/*
 * Between the stages, which know metadata and drift, and the share room, which knows neither.
 */
#include "hook/share_stage.h"

#include "share/shares.h"

struct share_set share_set_of(const struct metadata *metadata)
{
	return (struct share_set){
		.name = metadata->name,
		.owner = metadata->owner,
		.directory = metadata->directory,
		.shares = metadata->shares,
		.count = metadata->share_count,
	};
}

int share_stage_make(const struct metadata *metadata, struct error *err)
{
	const struct share_set set = share_set_of(metadata);

	return shares_make(&set, err);
}

int share_stage_verify(const char *name, uid_t owner, struct drift *drift, struct error *err)
{
	return shares_verify(name, owner, &drift->isolation, &drift->host, err);
}

int share_stage_check(const struct metadata *metadata, struct error *err)
{
	_cleanup_drift_ struct drift drift = {0};
	size_t count = 0;

	if (shares_count(metadata->name, &count, err) < 0 ||
	    share_stage_verify(metadata->name, metadata->owner, &drift, err) < 0)
		return -1;
	if (count != metadata->share_count)
		return error_set(err, EX_SOFTWARE, "%zu shares were made, %zu belong to %s", count,
				 metadata->share_count, metadata->name);
	if (drift.isolation.count)
		return error_set(err, EX_SOFTWARE, "%s", drift.isolation.items[0]);
	return 0;
}

int share_stage_release(const char *name, struct error *err)
{
	_cleanup_lines_ struct lines left = {0};

	return shares_release(name, &left, err);
}
