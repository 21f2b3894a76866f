//! A bounded queue that is fair between clients: they take turns, and within a turn the oldest of the client's items comes.
//!
//! However many items one client has waiting, another's next item waits for one of them at most.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub struct QueueBounds {
    /// Items of all clients.
    pub total_max: usize,
    /// Items of one client.
    pub client_max: usize,
}

/// Which bound has no room for another item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// That of all clients.
    Total,
    /// That of the client.
    Client,
}

/// Items of clients `K`. Each has a ticket: higher ones came later.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    bounds: QueueBounds,
    items: BTreeMap<u64, (K, T)>,
    /// The tickets of each client that has a turn, in order.
    tickets: HashMap<K, VecDeque<u64>>,
    /// The clients of `tickets`, in the order of their turns. One whose items were all removed keeps its turn, which is then
    /// passed over.
    turns: VecDeque<K>,
    next: u64,
}

impl<K: Clone + Eq + Hash, T> FairQueue<K, T> {
    /// An empty queue.
    pub fn new(bounds: QueueBounds) -> Self {
        Self {
            bounds,
            items: BTreeMap::new(),
            tickets: HashMap::new(),
            turns: VecDeque::new(),
            next: 0,
        }
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Adds an item, and gives its ticket.
    ///
    /// # Errors
    /// The item, and the bound that is reached.
    pub fn push(&mut self, client: K, item: T) -> Result<u64, (T, Full)> {
        if self.items.len() >= self.bounds.total_max {
            return Err((item, Full::Total));
        }
        let waiting = self.tickets.get(&client).map_or(0, VecDeque::len);
        if waiting >= self.bounds.client_max {
            return Err((item, Full::Client));
        }
        let ticket = self.next;
        self.next += 1;
        match self.tickets.get_mut(&client) {
            Some(tickets) => tickets.push_back(ticket),
            None => {
                self.tickets.insert(client.clone(), [ticket].into());
                self.turns.push_back(client.clone());
            }
        }
        self.items.insert(ticket, (client, item));
        Ok(ticket)
    }

    /// The oldest item of the client whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        while let Some(client) = self.turns.pop_front() {
            let tickets = self.tickets.get_mut(&client);
            let ticket = tickets.and_then(VecDeque::pop_front);
            let more = self.tickets.get(&client).is_some_and(|one| !one.is_empty());
            match more {
                true => self.turns.push_back(client),
                false => drop(self.tickets.remove(&client)),
            }
            if let Some((_, item)) = ticket.and_then(|ticket| self.items.remove(&ticket)) {
                return Some(item);
            }
        }
        None
    }

    /// Takes an item out, if it still waits.
    pub fn remove(&mut self, ticket: u64) -> Option<T> {
        let (client, item) = self.items.remove(&ticket)?;
        if let Some(tickets) = self.tickets.get_mut(&client)
            && let Ok(at) = tickets.binary_search(&ticket)
        {
            tickets.remove(at);
        }
        self.forget_idle();
        Some(item)
    }

    /// The item that came first.
    pub fn oldest(&self) -> Option<(u64, &T)> {
        let (ticket, (_, item)) = self.items.first_key_value()?;
        Some((*ticket, item))
    }

    /// Turns that nobody uses are forgotten before they are many: who comes and goes must not fill the memory.
    fn forget_idle(&mut self) {
        if self.turns.len() <= 2 * self.items.len() + 16 {
            return;
        }
        self.tickets.retain(|_, tickets| !tickets.is_empty());
        self.turns
            .retain(|client| self.tickets.contains_key(client));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(total_max: usize, client_max: usize) -> FairQueue<char, u32> {
        FairQueue::new(QueueBounds {
            total_max,
            client_max,
        })
    }

    fn drained(queue: &mut FairQueue<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    /// P6: a thousand items of one client delay another's by one each, and each client's keep their order.
    #[test]
    fn clients_take_turns() {
        let mut queue = queue(2_000, 1_000);
        for item in 0..1_000 {
            queue.push('a', item).unwrap();
        }
        for item in [5_000, 5_001] {
            queue.push('b', item).unwrap();
        }
        queue.push('c', 6_000).unwrap();
        let popped = drained(&mut queue);
        assert_eq!(popped[..6], [0, 5_000, 6_000, 1, 5_001, 2]);
        assert!(popped[6..].is_sorted());
        assert_eq!(popped.len(), 1_003);
    }

    /// P6: both bounds hold to the item, and what leaves makes room.
    #[test]
    fn bounds_hold() {
        let mut queue = queue(3, 2);
        let first = queue.push('a', 0).unwrap();
        queue.push('a', 1).unwrap();
        assert_eq!(queue.push('a', 2), Err((2, Full::Client)));
        queue.push('b', 3).unwrap();
        assert_eq!(queue.push('c', 4), Err((4, Full::Total)));
        assert_eq!(queue.remove(first), Some(0));
        assert_eq!(queue.remove(first), None);
        queue.push('c', 4).unwrap();
        assert_eq!(drained(&mut queue), [1, 3, 4]);
        queue.push('a', 5).unwrap();
        assert_eq!(drained(&mut queue), [5]);
    }

    /// The oldest is the oldest of all, whatever was removed.
    #[test]
    fn the_oldest_is_known() {
        let mut queue = queue(9, 9);
        let tickets: Vec<u64> = (0..4)
            .map(|item| queue.push(if item == 1 { 'b' } else { 'a' }, item).unwrap())
            .collect();
        assert_eq!(queue.oldest(), Some((tickets[0], &0)));
        queue.remove(tickets[0]);
        assert_eq!(queue.oldest(), Some((tickets[1], &1)));
        assert_eq!(queue.pop(), Some(2));
        assert_eq!(queue.pop(), Some(1));
        assert_eq!(queue.oldest(), Some((tickets[3], &3)));
    }

    /// P6: clients that come and leave before their turn take no memory.
    #[test]
    fn who_left_is_forgotten() {
        let mut queue: FairQueue<u32, ()> = FairQueue::new(QueueBounds {
            total_max: 9,
            client_max: 9,
        });
        queue.push(u32::MAX, ()).unwrap();
        for client in 0..10_000 {
            let ticket = queue.push(client, ()).unwrap();
            queue.remove(ticket);
        }
        assert!(queue.turns.len() < 32 && queue.tickets.len() < 32);
        assert!(queue.pop().is_some() && queue.pop().is_none());
        assert!(queue.turns.is_empty() && queue.tickets.is_empty());
    }

    /// Each item comes out once, by `pop` or `remove`, in whatever order these come.
    #[test]
    fn nothing_is_lost() {
        let mut queue: FairQueue<u64, u64> = FairQueue::new(QueueBounds {
            total_max: 50,
            client_max: 20,
        });
        let (mut state, mut inside, mut out) = (7_u64, Vec::new(), Vec::new());
        for item in 0..5_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let choice = state >> 60;
            match choice {
                0..=7 => inside.extend(queue.push(choice, item).ok().map(|ticket| (ticket, item))),
                8..=11 => out.extend(queue.pop()),
                _ if inside.is_empty() => {}
                _ => {
                    let at = (state >> 32) as usize % inside.len();
                    out.extend(queue.remove(inside[at].0));
                }
            }
        }
        out.extend(std::iter::from_fn(|| queue.pop()));
        out.sort_unstable();
        let pushed: Vec<u64> = inside.iter().map(|(_, item)| *item).collect();
        assert_eq!(out, pushed);
        assert!(pushed.len() > 1_000);
    }
}
