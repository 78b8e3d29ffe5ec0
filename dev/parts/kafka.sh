# shellcheck shell=bash
# A real Apache Kafka with its command line tools, as jars from Maven: dev/kafka-pom.xml.

KAFKA_VERSION=4.3.1

need_kafka() {
    local pin
    pin=$(sha256sum <"$DEED_ROOT/dev/kafka-pom.xml")
    if in_place_already "$DEED_CACHE/kafka-$KAFKA_VERSION" "$pin"; then return; fi
    need "Apache Kafka $KAFKA_VERSION, 41 MB of jars" "see that 'mvn' reaches Maven Central or a mirror of it" \
        in_place "$DEED_CACHE/kafka-$KAFKA_VERSION" "$pin" copy_kafka_jars
}

copy_kafka_jars() {
    cp "$DEED_ROOT/dev/kafka-pom.xml" pom.xml
    mvn -q -B -f pom.xml dependency:copy-dependencies "-DoutputDirectory=$1/libs" -DincludeScope=runtime
}
