"""Select rows for any trainer: `winnow.select` on rows in memory or in files, and exports of what was selected."""
