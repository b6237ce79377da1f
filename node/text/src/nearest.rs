//! The "did you mean" of error messages.

/// The candidate that `word` is most likely a typing error of: at most a third of its characters differ, and not all.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    closest(word, candidates).into_iter().next()
}

/// All candidates that `word` may be a typing error of, the most likely first.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    // Nothing sensible is that long, and the distance takes quadratic time.
    if word.len() > 64 {
        return Vec::new();
    }
    let limit = (word.chars().count() / 3).max(1);
    let near = candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, near)| *distance <= limit && *distance < near.chars().count());
    let mut near: Vec<(usize, &str)> = near.collect();
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// `; did you mean …?` with the candidate that `word` is most likely a typing error of, or nothing.
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// Levenshtein distance, with a swap of neighbours counted once, on one row of the table and the row before it.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (above[j - 1] + changed)
                .min(above[j] + 1)
                .min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_word_and_a_stranger_finds_none() {
        let words = ["listen", "tokens", "tls_key", "timeout_s"];
        assert_eq!(nearest("lisetn", words), Some("listen"));
        assert_eq!(nearest("Tokens", words), Some("tokens"));
        assert_eq!(nearest("tls-key", words), Some("tls_key"));
        assert_eq!(nearest("banana", words), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(hint("tokns", words), "; did you mean `tokens`?");
    }
}
