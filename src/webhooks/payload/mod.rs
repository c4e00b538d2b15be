//! What a webhook is told, and what it answers.
