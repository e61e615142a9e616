//! Reads run directories and says what they show.
