"""What is made of a job: label files, tracking numbers written back, the day sheet."""
