//! The history of a run, read from memory and from the store.

use std::ops::Bound;

use steadfast_core::execution::RunKey;
use steadfast_protocol::history::{History, HistoryEvent};
use steadfast_store::{Order, Prefix, StoreError, Table};

use super::Shard;
use crate::block::{Block, decode_block};
use crate::keys;

/// Blocks read at a time.
const BLOCKS_READ: usize = 64;
/// Blocks read at a time where the newest are wanted.
const BLOCKS_READ_REVERSE: usize = 16;

impl Shard {
    /// The history from event `from` on, as it is encoded: whole blocks, but for what is before `from` in the first one,
    /// until there are at least `events_max` events; none at or beyond `end`. Says also which event comes next.
    pub(crate) fn read_history(
        &self,
        key: &RunKey,
        from: i64,
        end: i64,
        events_max: usize,
    ) -> Result<(History, i64), StoreError> {
        let cached = self.runs.peek(key);
        let cached = cached.expect("found or loaded before, under the same lock");
        let in_memory = cached
            .blocks
            .front()
            .map_or(i64::MAX, |block| block.first_event_id);
        let enough = from.saturating_add(i64::try_from(events_max).unwrap_or(i64::MAX));
        let mut history = History::default();
        let mut next = from;
        let mut take = |block: &Block, next: &mut i64| -> Result<(), StoreError> {
            if block.first_event_id < end && block.last_event_id >= *next {
                history.encoded.push(block.part(*next, end)?);
                *next = (block.last_event_id + 1).min(end);
            }
            Ok(())
        };
        let prefix = keys::rows(key);
        let range = Prefix::new(prefix);
        while next < in_memory.min(end).min(enough) {
            // The block that holds the event may begin before it.
            let after = keys::block(&prefix, next + 1);
            let holding = self.store.scan(
                self.id(),
                Table::History,
                range.before(&after),
                1,
                Order::Reverse,
            )?;
            let Some((first, _)) = holding.first() else {
                break;
            };
            let (_, upper) = range.range();
            let rows = self.store.scan(
                self.id(),
                Table::History,
                (Bound::Included(first), upper),
                BLOCKS_READ,
                Order::Forward,
            )?;
            let before = next;
            for (_, value) in rows {
                if next >= in_memory.min(end).min(enough) {
                    break;
                }
                take(&Block::read(value)?, &mut next)?;
            }
            if next == before {
                break;
            }
        }
        for block in &cached.blocks {
            if next >= end.min(enough) {
                break;
            }
            take(block, &mut next)?;
        }
        Ok((history, next))
    }

    /// The last whole blocks that end before event `before`, newest event first, at least `events_max` events.
    pub(crate) fn read_events_reverse(
        &mut self,
        key: &RunKey,
        before: i64,
        events_max: usize,
    ) -> Result<Vec<HistoryEvent>, StoreError> {
        let cached = self.runs.peek(key);
        let cached = cached.expect("found or loaded before, under the same lock");
        let mut events: Vec<HistoryEvent> = Vec::new();
        let mut before = before;
        for block in cached.blocks.iter().rev() {
            if events.len() >= events_max {
                return Ok(events);
            }
            if block.first_event_id < before {
                let wanted = block.events()?.into_iter().rev();
                events.extend(wanted.filter(|event| event.event_id < before));
                before = block.first_event_id;
            }
        }
        let prefix = keys::rows(key);
        let range = Prefix::new(prefix);
        while before > 1 && events.len() < events_max {
            let end = keys::block(&prefix, before);
            let rows = self.store.scan(
                self.id(),
                Table::History,
                range.before(&end),
                BLOCKS_READ_REVERSE,
                Order::Reverse,
            )?;
            if rows.is_empty() {
                break;
            }
            for (_, value) in rows {
                if events.len() >= events_max {
                    break;
                }
                let block = decode_block(value)?;
                before = block.first().map_or(1, |event| event.event_id);
                events.extend(block.into_iter().rev());
            }
        }
        Ok(events)
    }

    /// One event.
    pub(crate) fn event(&mut self, key: &RunKey, id: i64) -> Result<HistoryEvent, StoreError> {
        let cached = self.runs.peek(key);
        let cached = cached.expect("found or loaded before, under the same lock");
        if id == 1 {
            return Ok(HistoryEvent::clone(&cached.run.started));
        }
        for block in cached.blocks.iter().rev() {
            if (block.first_event_id..=block.last_event_id).contains(&id)
                && let Some(event) = block.event(id)?
            {
                return Ok(event);
            }
        }
        let prefix = keys::rows(key);
        let after = keys::block(&prefix, id + 1);
        let rows = self.store.scan(
            self.id(),
            Table::History,
            Prefix::new(prefix).before(&after),
            1,
            Order::Reverse,
        )?;
        let block = rows.into_iter().next();
        let block = block.map(|(_, value)| Block::read(value)).transpose()?;
        let event = block.map(|block| block.event(id)).transpose()?.flatten();
        event.ok_or_else(|| StoreError::Corrupt(format!("run {} has no event {id}", key.run_id)))
    }
}
