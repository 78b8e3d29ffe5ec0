//! Positions: the token by which whoever produced events asks whether they are applied.
//!
//! `topic:partition:offset`, several by comma, as Kafka's acknowledgement of a record gives the parts.

/// How many places a token may name.
pub const MOST: usize = 100;

/// Kafka's own limit for the name of a topic.
const TOPIC_BYTES: usize = 249;

/// The place of one record in Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
}

/// A token that names no places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected topic:partition:offset, several by comma, at most {MOST}")]
pub struct MalformedToken;

/// The places that a token names, at least one. Blanks around a comma are not read: a header that was
/// sent twice arrives so.
pub fn places(token: &str) -> Result<Vec<Place>, MalformedToken> {
    let parts: Vec<&str> = token.split(',').take(MOST + 1).collect();
    match parts.len() <= MOST {
        true => parts
            .into_iter()
            .map(|part| place(part.trim_matches(' ')))
            .collect(),
        false => Err(MalformedToken),
    }
}

fn place(part: &str) -> Result<Place, MalformedToken> {
    let mut fields = part.split(':');
    let (Some(topic), Some(partition), Some(offset), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(MalformedToken);
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if topic.is_empty() || topic.len() > TOPIC_BYTES || !topic.chars().all(legal) {
        return Err(MalformedToken);
    }
    Ok(Place {
        topic: topic.to_owned(),
        partition: number(partition)?,
        offset: number(offset)?,
    })
}

/// A count: digits alone, which `parse` is more liberal about.
fn number<N: std::str::FromStr>(digits: &str) -> Result<N, MalformedToken> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MalformedToken);
    }
    digits.parse().map_err(|_| MalformedToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(topic: &str, partition: i32, offset: i64) -> Place {
        Place {
            topic: topic.to_owned(),
            partition,
            offset,
        }
    }

    #[test]
    fn one_place_or_several_are_read() {
        assert_eq!(
            places("documents:0:17"),
            Ok(vec![place("documents", 0, 17)])
        );
        assert_eq!(
            places("a.b_c-D:2147483647:9223372036854775807, e:1:0"),
            Ok(vec![place("a.b_c-D", i32::MAX, i64::MAX), place("e", 1, 0)])
        );
        let most = vec!["a:0:0"; MOST].join(",");
        assert_eq!(places(&most).map(|places| places.len()), Ok(MOST));
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("{}:0:0", "a".repeat(TOPIC_BYTES + 1));
        let many = vec!["a:0:0"; MOST + 1].join(",");
        let malformed = [
            "",
            ",",
            "a",
            "a:0",
            "a:0:0:0",
            "a:0:0,",
            ":0:0",
            "a::0",
            "a:0:",
            "a:-1:0",
            "a:0:-1",
            "a:+1:0",
            "a:0:1.5",
            "a:0:x",
            "a:2147483648:0",
            "a:0:9223372036854775808",
            "a b:0:0",
            "ä:0:0",
            "a:0:0;b:0:0",
            "a':0:0",
            "a: 0:0",
            &long,
            &many,
        ];
        for token in malformed {
            assert_eq!(places(token), Err(MalformedToken), "{token}");
        }
    }
}
