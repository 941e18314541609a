-- lanes_of_older_programs: select the lanes that are owned by programs older than a version
select group_id, partition, owner_version
from lanes
where owner_version < $1
order by topic_prefix, group_id, partition;
