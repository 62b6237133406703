"""CronJobs: `schedule` reads cron lines, `decide` says what to start and forget, `shell` does it."""
