#!/bin/sh
# Rights in Kafka, just those that each part of Unenroll needs. Safe to repeat; takes nothing away.
#
#   BOOTSTRAP=kafka:9092 COMMAND_CONFIG=admin.properties sh deploy/kafka/acls.sh
#
# The names below are those of the settings, and of who the parts show themselves to be.
set -eu
: "${KAFKA_ACLS:=kafka-acls.sh}"
: "${BOOTSTRAP:=localhost:9092}"
: "${COMMAND_CONFIG:=/dev/null}"
: "${PREFIX:=unenroll.}"
: "${GROUP:=unenroll}"
: "${WORKER:=User:unenroll-worker}"
: "${API:=User:unenroll-api}"
: "${OPERATOR:=User:unenroll-operator}"
: "${TOPIC_MAKER:=User:unenroll-topics}"

allow() {
    "$KAFKA_ACLS" --bootstrap-server "$BOOTSTRAP" --command-config "$COMMAND_CONFIG" --add --allow-principal "$@"
}

# run. The group's lanes are its transactional ids; what a lane leaves whose partition is gone has a group of its own,
# and readers that join none are asked for a name all the same.
for topic in requests facts definitions; do
    allow "$WORKER" --operation Read --operation DescribeConfigs --topic "$PREFIX$topic"
done
allow "$WORKER" --operation Write --topic "${PREFIX}facts"
for topic in unenrollments rejections rewards dead-letters; do
    allow "$WORKER" --operation Write --operation DescribeConfigs --topic "$PREFIX$topic"
done
allow "$WORKER" --operation Read --group "$GROUP"
allow "$WORKER" --operation Read --group "$GROUP.lane-" --resource-pattern-type prefixed
allow "$WORKER" --operation Describe --group unenroll- --resource-pattern-type prefixed
allow "$WORKER" --operation Write --transactional-id "$PREFIX:$GROUP:" --resource-pattern-type prefixed

# api
for topic in requests facts; do
    allow "$API" --operation Write --topic "$PREFIX$topic"
done

# topics
allow "$TOPIC_MAKER" --operation Create --operation Describe --operation DescribeConfigs --topic "$PREFIX" \
    --resource-pattern-type prefixed

# publish, apply, replay, status, dlq, offsets, prune
allow "$OPERATOR" --operation Read --operation Write --operation DescribeConfigs --topic "$PREFIX" \
    --resource-pattern-type prefixed
allow "$OPERATOR" --operation Read --group "$GROUP"
allow "$OPERATOR" --operation Read --group "${PREFIX}redrive"
allow "$OPERATOR" --operation Read --group "$GROUP.replay." --resource-pattern-type prefixed
allow "$OPERATOR" --operation Describe --group unenroll- --resource-pattern-type prefixed
allow "$OPERATOR" --operation Write --transactional-id "$PREFIX:redrive"
allow "$OPERATOR" --operation Write --transactional-id "$PREFIX:$GROUP:" --resource-pattern-type prefixed
allow "$OPERATOR" --operation Write --transactional-id "$PREFIX:$GROUP.replay." --resource-pattern-type prefixed
