//! librdkafka's lists of partitions.

use rdkafka::{Offset, TopicPartitionList};

use crate::messages::PartitionId;

/// The partitions of a list.
pub fn ids(list: &TopicPartitionList) -> Vec<PartitionId> {
    let topics = list.to_topic_map();
    let id = |(topic, partition): &(String, i32)| PartitionId {
        topic: topic.clone(),
        partition: *partition,
    };
    topics.keys().map(id).collect()
}

/// A list of one.
pub fn one(id: &PartitionId) -> TopicPartitionList {
    with_offsets([(id, Offset::Invalid)])
}

/// A list of partitions with the offset that each is to be fetched from.
pub fn with_offsets<'a>(
    partitions: impl IntoIterator<Item = (&'a PartitionId, Offset)>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (id, offset) in partitions {
        list.add_partition_offset(&id.topic, id.partition, offset)
            .expect("an offset of Postgres, or the beginning, is representable");
    }
    list
}
