ALTER TABLE `attempts` ADD `started_ms` bigint unsigned;--> statement-breakpoint
ALTER TABLE `submissions` ADD `unstarted` int;--> statement-breakpoint
ALTER TABLE `submissions` ADD `waiting_for` enum('permission','queue-disabled','network','throttling','settling','misconfiguration','capacity');--> statement-breakpoint
ALTER TABLE `submissions` ADD `waiting_ms` bigint unsigned;--> statement-breakpoint
ALTER TABLE `templates` ADD `blocked_ms` bigint unsigned;