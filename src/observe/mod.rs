//! What is it doing? Events of the machinery, declared once.
