//! Each move of a position, written down by a trigger in the transaction that makes it.
//!
//! Applying twice leaves no trace in the tables, for it is idempotent; here it does.

use postgres::Client;

/// Begins to write down the moves in this database.
pub fn begin(client: &mut Client) {
    client
        .batch_execute(
            "CREATE TABLE public.moves (n bigint GENERATED ALWAYS AS IDENTITY, partition integer,
               epoch bigint, from_offset bigint, to_offset bigint);
             CREATE FUNCTION public.write_down() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
             BEGIN
               INSERT INTO public.moves (partition, epoch, from_offset, to_offset)
               VALUES (NEW.partition, NEW.epoch, coalesce(OLD.next_offset, 0), NEW.next_offset);
               RETURN NULL;
             END $$;
             CREATE TRIGGER write_down AFTER UPDATE ON deed.stream_position FOR EACH ROW
               WHEN (OLD.next_offset IS DISTINCT FROM NEW.next_offset)
               EXECUTE FUNCTION public.write_down()",
        )
        .expect("audit");
}

/// How many moves an owner made after a later owner had begun to.
pub fn late_moves(client: &mut Client) -> i64 {
    client
        .query_one(
            "SELECT count(*) FROM (
               SELECT epoch, max(epoch) OVER (PARTITION BY partition ORDER BY n) AS greatest FROM public.moves
             ) AS move WHERE epoch < greatest",
            &[],
        )
        .expect("audit")
        .get(0)
}

/// Offsets of one topic that no move went over, and those that more than one did; `ends` are the
/// ends of its partitions.
pub fn missing_and_doubled(client: &mut Client, ends: &[i64]) -> (usize, usize) {
    let mut times: Vec<Vec<u32>> = ends.iter().map(|end| vec![0; *end as usize]).collect();
    let moves = client
        .query(
            "SELECT partition, from_offset, to_offset FROM public.moves",
            &[],
        )
        .expect("audit");
    for row in moves {
        let (partition, from, to): (i32, i64, i64) = (row.get(0), row.get(1), row.get(2));
        for time in &mut times[partition as usize][from as usize..to as usize] {
            *time += 1;
        }
    }
    let all = || times.iter().flatten();
    let missing = all().filter(|times| **times == 0).count();
    (missing, all().filter(|times| **times > 1).count())
}
