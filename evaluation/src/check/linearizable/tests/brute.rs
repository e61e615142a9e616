//! The same question, answered by trying everything: every choice of those that may not have happened, in every order
//! that agrees with the times, told to a grant that is written down a second time. Nothing is remembered, and nothing
//! is shared with what it checks.

use super::*;

/// What there is of an image and one grant of it.
#[derive(Debug, Clone, Copy, Default)]
struct Plain {
    sealed: bool,
    granted: bool,
    left: u32,
    used: u64,
}

impl Plain {
    /// Does it, and says whether it can have been answered so.
    fn tell(&mut self, operation: &Operation<Views>) -> bool {
        let reply = operation.answer.as_ref().map(|answer| &answer.reply);
        match operation.call {
            Call::Seal(views) => {
                let before = std::mem::replace(self, Self { sealed: true, ..Self::default() });
                self.granted = views.is_some();
                self.left = views.unwrap_or(0);
                !before.sealed
            }
            Call::Set(views) => {
                self.granted = true;
                self.left = views;
                self.sealed && reply.is_none_or(|reply| *reply == Reply::Left(views))
            }
            Call::Take if self.left == 0 => {
                self.granted && reply.is_none_or(|reply| *reply == Reply::Refused)
            }
            Call::Take => {
                self.left -= 1;
                self.used += 1;
                reply.is_none_or(|reply| *reply == Reply::Left(self.left))
            }
            Call::Read => match (self.sealed, self.granted) {
                (false, _) => reply == Some(&Reply::NoImage),
                (true, false) => reply == Some(&Reply::NoGrant),
                (true, true) => reply == Some(&Reply::Grant { left: self.left, used: self.used }),
            },
        }
    }
}

/// Whether there is an order.
pub(super) fn has_order(operations: &[Operation<Views>]) -> bool {
    let unknown: Vec<usize> = (0..operations.len()).filter(|at| operations[*at].answer.is_none()).collect();
    (0..1_u32 << unknown.len()).any(|choice| {
        let left_out: Vec<usize> =
            unknown.iter().enumerate().filter(|(bit, _)| choice >> bit & 1 == 0).map(|(_, at)| *at).collect();
        let happened: Vec<&Operation<Views>> =
            (0..operations.len()).filter(|at| !left_out.contains(at)).map(|at| &operations[at]).collect();
        any_order(&mut Vec::new(), &happened)
    })
}

fn any_order<'o>(order: &mut Vec<&'o Operation<Views>>, happened: &[&'o Operation<Views>]) -> bool {
    if order.len() == happened.len() {
        return agrees_with_times(order) && agrees_with_answers(order);
    }
    for next in happened {
        if !order.iter().any(|one| std::ptr::eq(*one, *next)) {
            order.push(next);
            // Whatever follows, what is in the wrong order stays so.
            if agrees_with_times(order) && any_order(order, happened) {
                return true;
            }
            order.pop();
        }
    }
    false
}

/// Nobody comes before somebody who had ended when they began.
fn agrees_with_times(order: &[&Operation<Views>]) -> bool {
    order.iter().enumerate().all(|(at, one)| {
        order[at + 1..].iter().all(|later| later.end_ns().is_none_or(|end_ns| end_ns >= one.begin_ns))
    })
}

fn agrees_with_answers(order: &[&Operation<Views>]) -> bool {
    let mut plain = Plain::default();
    order.iter().all(|operation| plain.tell(operation))
}
