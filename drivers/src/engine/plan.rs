//! Which tokens go into the next pass.
//!
//! Those that answer come first, one token each and what was drafted for them. Prompts get the room that is left, but no
//! more than a chunk of it while somebody answers: so a long prompt holds up everybody's next token by one chunk at most.

/// Of the room for prompts, one part in so many is kept for the one that was admitted first.
const KEPT: usize = 4;

/// What one sequence could put into the next pass. The items of a plan stand in the order in which they were admitted.
#[derive(Debug, Clone, Default)]
pub(super) struct Item {
    /// Tokens of the prompt that are not read yet; 0 for a sequence that answers.
    pub(super) to_read: usize,
    /// Comes before those that are not.
    pub(super) urgent: bool,
    /// An item before this one reads what this one needs next, so this one reads it from its pages afterwards.
    pub(super) waits_for: Option<usize>,
    /// Tokens drafted for a sequence that answers.
    pub(super) drafts: usize,
    /// The pass in which it took part last: with more sequences than tokens in a pass, those take turns.
    pub(super) served: u64,
}

/// Items of the next pass and how many tokens each puts into it, at least 1. At most `batch_tokens` together, of which at
/// most `chunk_tokens` are prompts' if anybody answers.
pub(super) fn plan(items: &[Item], batch_tokens: usize, chunk_tokens: usize) -> Vec<(usize, usize)> {
    let mut answering: Vec<usize> = indices(items, |item| item.to_read == 0);
    answering.sort_by_key(|&index| items.get(index).map(|item| item.served));
    answering.truncate(batch_tokens);
    // Everybody's token first; drafts only in the room beyond.
    let mut room = batch_tokens - answering.len();
    let mut planned: Vec<(usize, usize)> = Vec::new();
    for &index in &answering {
        let drafts = items.get(index).map_or(0, |item| item.drafts).min(room);
        room -= drafts;
        planned.push((index, 1 + drafts));
    }
    if !answering.is_empty() {
        room = room.min(chunk_tokens.max(1));
    }
    planned.extend(read(items, room));
    planned
}

/// Pieces of prompts, `room` tokens together.
fn read(items: &[Item], mut room: usize) -> Vec<(usize, usize)> {
    let urgent = indices(items, |item| item.to_read > 0 && item.urgent);
    let waiting = if urgent.is_empty() { indices(items, |item| item.to_read > 0) } else { urgent };
    // Whoever an urgent one waits for is as urgent. `waits_for` names an earlier item, so this comes to an end.
    let mut readers: Vec<usize> = Vec::new();
    for mut index in waiting {
        while let Some(earlier) = items.get(index).and_then(|item| item.waits_for).filter(|&earlier| earlier < index) {
            index = earlier;
        }
        if !readers.contains(&index) {
            readers.push(index);
        }
    }
    // One after another, whoever has least left to read first: of equal prompts that come together half are read in half the
    // time, where equal shares would finish all of them at the end. A part is kept for whoever was admitted first, so that
    // nobody is passed over for ever.
    let left = |index: usize| items.get(index).map_or(0, |item| item.to_read);
    let kept = (room / KEPT).max(1);
    let first = readers.iter().min().map(|&index| (index, left(index).min(kept).min(room)));
    room -= first.map_or(0, |(_, piece)| piece);
    readers.sort_by_key(|&index| (left(index), index));
    let mut pieces: Vec<(usize, usize)> = Vec::new();
    for index in readers {
        let had = first.filter(|(first, _)| *first == index).map_or(0, |(_, piece)| piece);
        let more = (left(index) - had).min(room);
        room -= more;
        if had + more > 0 {
            pieces.push((index, had + more));
        }
    }
    pieces.sort_unstable();
    pieces
}

fn indices(items: &[Item], which: impl Fn(&Item) -> bool) -> Vec<usize> {
    items.iter().enumerate().filter(|(_, item)| which(item)).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(to_read: usize) -> Item {
        Item { to_read, urgent: true, ..Item::default() }
    }

    fn answers(drafts: usize, served: u64) -> Item {
        Item { drafts, served, urgent: true, ..Item::default() }
    }

    #[test]
    fn answers_come_first_and_prompts_share_a_chunk() {
        let items = [reads(1000), answers(3, 0), reads(10), answers(0, 0)];
        assert_eq!(plan(&items, 512, 64), [(1, 4), (3, 1), (0, 54), (2, 10)]);
        assert_eq!(plan(&items[..1], 512, 64), [(0, 512)], "nobody is held up");
        assert_eq!(plan(&items[1..2], 3, 64), [(0, 3)], "one draft does not fit");
        assert_eq!(plan(&items, 2, 64), [(1, 1), (3, 1)], "no room for a prompt or a draft");
        assert!(plan(&[], 512, 64).is_empty());
    }

    #[test]
    fn prompts_are_read_one_after_another_the_shortest_first() {
        assert_eq!(plan(&[reads(300), reads(300), reads(300)], 512, 64), [(0, 300), (1, 212)], "equals in their order");
        assert_eq!(plan(&[reads(1000), reads(600), reads(30)], 512, 64), [(0, 128), (1, 354), (2, 30)]);
        assert_eq!(plan(&[reads(1000), reads(600)], 512, 64), [(0, 128), (1, 384)], "the first is not passed over");
        assert_eq!(plan(&[reads(9), reads(2)], 1, 1), [(0, 1)], "nor where there is hardly room");
    }

    #[test]
    fn with_more_answers_than_room_they_take_turns() {
        let items = [answers(0, 7), answers(0, 5), answers(0, 6)];
        assert_eq!(plan(&items, 2, 64), [(1, 1), (2, 1)]);
    }

    #[test]
    fn background_reads_when_no_urgent_prompt_does() {
        let background = |to_read| Item { urgent: false, ..reads(to_read) };
        assert_eq!(plan(&[background(100), reads(8)], 512, 64), [(1, 8)]);
        assert_eq!(plan(&[background(100), answers(0, 0)], 512, 64), [(1, 1), (0, 64)]);
    }

    #[test]
    fn whoever_waits_lends_its_urgency() {
        let mut items = [Item { urgent: false, ..reads(100) }, reads(100), reads(100)];
        items[1].waits_for = Some(0);
        items[2].waits_for = Some(1);
        assert_eq!(plan(&items, 50, 50), [(0, 50)]);
        assert_eq!(plan(&items, 200, 50), [(0, 100)], "the others read nothing twice");
    }
}
