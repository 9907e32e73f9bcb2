class Mailbox:
    def start(self,n): pass
    def expire_history(self): pass
