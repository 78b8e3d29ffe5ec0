// Tells Deed of one event, in binary mode, and prints the position that a read may wait for.
//
//   java -cp "$KAFKA_CLASSES" Tell.java TYPE SUBJECT DATA
//   java -cp "$KAFKA_CLASSES" Tell.java permission.granted 7807ad5e-... '{"recipient": "everyone", ...}'
//
// DEED_KAFKA_BOOTSTRAP names the broker.

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

public class Tell {
    public static void main(String[] arguments) throws Exception {
        String bootstrap = System.getenv("DEED_KAFKA_BOOTSTRAP");
        if (arguments.length != 3 || bootstrap == null) {
            System.err.println("usage: DEED_KAFKA_BOOTSTRAP=host:port Tell TYPE SUBJECT DATA");
            System.exit(2);
        }
        String type = arguments[0];
        String subject = arguments[1];
        // Retries neither double nor reorder: each record is there once, or the send has failed.
        Map<String, Object> config = Map.of(
                "bootstrap.servers", bootstrap,
                "acks", "all",
                "enable.idempotence", true,
                "delivery.timeout.ms", 30_000,
                "request.timeout.ms", 10_000,
                // How long it looks for a broker before that.
                "max.block.ms", 10_000);
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            // The key keeps what concerns one subject in one partition, so that it arrives in order.
            var record = new ProducerRecord<>(topic(type), subject, arguments[2]);
            header(record, "content-type", "application/json");
            header(record, "ce_specversion", "1.0");
            header(record, "ce_type", type);
            header(record, "ce_subject", subject);
            header(record, "ce_source", "/examples/java");
            // When it happened decides which of two facts is the later one. A service that may tell of two in
            // one instant also sets ce_sequence, or ids that ascend.
            header(record, "ce_time", Instant.now().toString());
            // The same id at each retry of one's own, and another for each fact.
            header(record, "ce_id", UUID.randomUUID().toString());
            // Only now is the event told: Kafka has it.
            RecordMetadata told = producer.send(record).get();
            System.out.println(told.topic() + ":" + told.partition() + ":" + told.offset());
        }
    }

    private static String topic(String type) {
        return type.startsWith("document.") ? "documents" : type.startsWith("permission.") ? "permissions" : "principals";
    }

    private static void header(ProducerRecord<String, String> record, String name, String value) {
        record.headers().add(name, value.getBytes(StandardCharsets.UTF_8));
    }
}
