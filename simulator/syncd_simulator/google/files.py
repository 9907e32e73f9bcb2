class DriveStore:
    def __init__(self,rng): pass
    def open_user(self,uid,now): pass
    def logs_of(self,uid): return []
