"""Speed, measured as ratios: `make bench`. A measuring tool; nothing here decides whether a change is good."""
