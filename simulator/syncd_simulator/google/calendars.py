class CalendarStore:
    def open_primary(self,user,now): pass
    def rename_owner(self,user,address,now): pass
class UserCalendars: pass
